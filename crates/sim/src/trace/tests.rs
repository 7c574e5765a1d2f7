use super::*;

const TOKENS: ServiceTime =
    ServiceTime::Tokens { ttft_s: 0.3, s_per_input_token: 0.0, s_per_output_token: 0.02 };

fn read_as_found(text: &str) -> Result<Trace, TraceError> {
    read(text, detect(text), &Columns::default(), &TOKENS, 1)
}

fn pairs(text: &str) -> Vec<(f64, f64)> {
    let round = |x: f64| (x * 1e4).round() / 1e4;
    match read_as_found(text) {
        Ok(Trace::Requests(all)) => {
            all.iter().map(|one| (round(one.arrival_s), round(one.service_s))).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn azure_traces_are_read_as_they_are() {
    let text = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\n2023-11-16 18:17:05.0000000,3180,8\n";
    assert_eq!(pairs(text), [(0.0, 0.5), (1.02, 0.46)]);
}

#[test]
fn mooncake_traces_are_read_as_they_are() {
    let text = r#"{"timestamp": 27000, "input_length": 6758, "output_length": 500, "hash_ids": [0, 1]}
{"timestamp": 30500, "input_length": 1, "output_length": 5}"#;
    assert_eq!(pairs(text), [(0.0, 10.3), (3.5, 0.4)]);
}

#[test]
fn exact_lists_keep_their_service_times_and_their_zero() {
    assert_eq!(pairs("arrival_s,service_s\n5,2\n4.5,1\n"), [(4.5, 1.0), (5.0, 2.0)]);
    assert_eq!(pairs("arrival_s,service_s\n1700000005,2\n1700000004.5,1\n"), [(0.0, 1.0), (0.5, 2.0)]);
}

#[test]
fn rates_last_until_the_next_one() {
    let got = read_as_found("t_seconds,req_per_s,active_clients\n0,212.78,43\n600,179.698,40\n");
    let steps = vec![RateStep { from_s: 0.0, per_s: 212.78 }, RateStep { from_s: 600.0, per_s: 179.698 }];
    assert_eq!(got, Ok(Trace::Rates(steps, 1200.0)));
}

#[test]
fn series_of_prometheus_are_summed() {
    let text = r#"{"status":"success","data":{"resultType":"matrix","result":[
        {"metric":{"pod":"a"},"values":[[100,"1"],[115,"2"]]},{"metric":{"pod":"b"},"values":[[115,"3.5"],[130,"NaN"]]}]}}"#;
    let steps = vec![RateStep { from_s: 0.0, per_s: 1.0 }, RateStep { from_s: 15.0, per_s: 5.5 }];
    assert_eq!(read_as_found(text), Ok(Trace::Rates(steps, 30.0)));
}

#[test]
fn access_logs_begin_when_requests_began() {
    let text = "1.2.3.4 - - [10/Oct/2025:13:55:36 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"curl\" 0.250\n\
                1.2.3.4 - - [10/Oct/2025:15:55:36 +0200] \"GET / HTTP/1.1\" 200 5 \"-\" \"curl\" rt=0.500\n";
    assert_eq!(pairs(text), [(0.0, 0.25), (0.25, 0.5)]);
}

#[test]
fn bad_lines_are_named() {
    let line = |text: &str| read_as_found(text).expect_err("it is wrong");
    let error = line("arrival_s,service_s\n1,2\n2,fast\n");
    assert_eq!(
        error.to_string(),
        "3: `fast` in column `service_s` is not a number of at least 0. hint: mend or remove the line, or name another column"
    );
    assert_eq!(line("a,b\n1,2\n").line, 1);
    assert_eq!(
        line("arrival_s,service_s\nsoon,2\n").to_string(),
        "2: `soon` in column `arrival_s` is not a time. hint: mend or remove the line, or name another column"
    );
    assert_eq!(line("{\"timestamp\": 1}\n{\"timestamp\": \n").line, 2);
    assert_eq!(line("").line, 1);
    assert_eq!(
        line("{\"status\":\"error\",\"error\":\"bad query\"}").to_string(),
        "1: the query failed: bad query"
    );
    let error = line("1.2.3.4 - - [yesterday] \"GET / HTTP/1.1\" 200 5\n");
    assert!(error.to_string().starts_with("1: `yesterday` is not a time"), "{error}");
}
