//! `plimsoll simulate` from outside: whole outputs, on traces made here.

mod mistakes;

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// A directory with a trace, a service and two policies; the program runs in it, so that no path differs between runs.
struct Desk {
    directory: TempDir,
}

// === impl Desk ===

impl Desk {
    /// `seconds` of one request a second, and 40 at once every 30 s from the 20th on.
    fn new(seconds: u32) -> Self {
        let mut trace = "arrival_s,service_s\n".to_owned();
        for second in 0..seconds {
            let burst = if second % 30 == 20 { 40 } else { 1 };
            for copy in 0..burst {
                let (arrival_s, service_s) =
                    (f64::from(second) + f64::from(copy) / 100.0, 0.5 + f64::from(copy % 4));
                writeln!(trace, "{arrival_s:.2},{service_s:.1}").expect("a string");
            }
        }
        let desk = Self { directory: tempfile::tempdir().expect("a directory") };
        desk.write("trace.csv", &trace);
        desk.write(
            "service.yaml",
            "slots: 4\nstartup: 5\nprice_per_hour: 3\ninitial_replicas: 2\nslo_response_s: 6\n",
        );
        desk.write(
            "hpa.yaml",
            "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: { name: api }\nspec:\n  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: api }\n  minReplicas: 1\n  maxReplicas: 20\n  metrics:\n    - type: Resource\n      resource: { name: cpu, target: { type: Utilization, averageUtilization: 40 } }\n",
        );
        desk.write(
            "bursts.yaml",
            "minReplicas: 1\nmaxReplicas: 20\ndemandQuantile: { quantile: 0.8, windowSeconds: 60, perInstance: 4 }\n",
        );
        desk
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.directory.path().join(name), text).expect("a file");
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// What the program answers: exit code, stdout and stderr as one text.
    fn simulate(&self, arguments: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_plimsoll"))
            .arg("simulate")
            .args(arguments)
            .current_dir(self.path())
            .env("NO_COLOR", "1")
            .output()
            .expect("the program runs");
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        format!("exit {:?}\n--- stdout\n{stdout}--- stderr\n{stderr}", output.status.code())
    }
}

const TRACE: [&str; 4] = ["--trace", "trace.csv", "--service", "service.yaml"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    TRACE.iter().chain(more).copied().collect()
}

#[test]
fn several_policies_are_compared_in_a_table() {
    let desk = Desk::new(300);
    insta::assert_snapshot!(desk.simulate(&with(&[
        "--policy",
        "hpa.yaml",
        "bursts.yaml",
        "--plot",
        "out.svg"
    ])));
    let drawn = std::fs::read_to_string(desk.path().join("out.svg")).expect("a drawing");
    assert!(drawn.starts_with("<svg") && drawn.contains("bursts"), "{drawn}");
}

#[test]
fn programs_read_every_assumption_and_the_series() {
    insta::assert_snapshot!(Desk::new(8).simulate(&with(&["--policy", "hpa.yaml", "--json"])));
}

#[test]
fn every_request_is_written_with_its_wait() {
    let desk = Desk::new(0);
    // Five requests of three seconds meet four slots a fifth of a second after a second; the fifth waits for the first.
    let arrivals = ["1.2", "1.3", "1.4", "1.5", "1.75"].map(|arrival_s| format!("{arrival_s},3\n"));
    desk.write("trace.csv", &format!("arrival_s,service_s\n{}", arrivals.concat()));
    desk.write("service.yaml", "slots: 4\ninitial_replicas: 1\nslo_response_s: 5\nslo_wait_s: 2\n");
    let said = desk.simulate(&with(&["--policy", "bursts.yaml", "--requests", "requests.csv"]));
    assert!(said.contains("5 requests from 1.2 s on"), "{said}");
    let written = std::fs::read_to_string(desk.path().join("requests.csv")).expect("a list");
    assert_eq!(
        written,
        "policy,arrival_s,service_s,wait_s,over_slo,waited\n\
         bursts,1.2,3,0,0,0\nbursts,1.3,3,0,0,0\nbursts,1.4,3,0,0,0\nbursts,1.5,3,0,0,0\nbursts,1.75,3,2.45,1,1\n"
    );
}

#[test]
fn search_marks_the_policy_it_came_from() {
    insta::assert_snapshot!(Desk::new(300).simulate(&with(&["--policy", "hpa.yaml", "--optimize"])));
}
