//! Bad files: which one, where in it, what is wrong and what to do.

use crate::{Desk, with};

#[test]
fn bad_files_are_named_with_their_line_and_a_hint() {
    let desk = Desk::new(10);
    desk.write("late.csv", "arrival_s,service_s\n0.5,1\n1.0,soon\n");
    desk.write("unnamed.csv", "when,what\n1,2\n");
    desk.write("empty.csv", "");
    desk.write("rates.csv", "t_seconds,req_per_s\n0,5\n60,7\n");
    desk.write("broken.jsonl", "{\"timestamp\": 1, \"output_length\": 5}\n{\"timestamp\": }\n");
    desk.write(
        "prometheus.json",
        "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]}}",
    );
    desk.write("access.log", "10.0.0.1 - - [30/Feb/2026:10:00:00 +0000] \"GET / HTTP/1.1\" 200 5\n");
    desk.write("typo.yaml", "maxReplicas: 5\nconcurency: { target: 4 }\n");
    desk.write("wrong.yaml", "maxReplicas: 5\nconcurrency: { target: 0 }\n");
    desk.write("slots.yaml", "slots: 0\n");
    desk.write("unknown.yaml", "slot: 4\n");
    let mut said = String::new();
    for trace in [
        "missing.csv",
        "late.csv",
        "unnamed.csv",
        "empty.csv",
        "broken.jsonl",
        "prometheus.json",
        "access.log",
    ] {
        said += &format!("# {trace}\n{}\n", desk.simulate(&["--trace", trace, "--policy", "bursts.yaml"]));
    }
    said += &format!(
        "# rates.csv without a service time\n{}\n",
        desk.simulate(&["--trace", "rates.csv", "--policy", "hpa.yaml"])
    );
    for policy in ["missing.yaml", "typo.yaml", "wrong.yaml"] {
        said += &format!("# {policy}\n{}\n", desk.simulate(&with(&["--policy", policy])));
    }
    for service in ["slots.yaml", "unknown.yaml"] {
        said += &format!(
            "# {service}\n{}\n",
            desk.simulate(&["--trace", "trace.csv", "--service", service, "--policy", "hpa.yaml"])
        );
    }
    insta::assert_snapshot!(said);
}
