use super::*;

fn env(variables: &[(&str, &str)]) -> Settings {
    Settings::new(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

#[test]
fn nothing_needs_to_be_set() {
    let serve = ServeSettings::read(env(&[])).unwrap();
    assert_eq!(serve.common.listen.to_string(), "127.0.0.1:8080");
    assert!(serve.admin.is_none());
    let work = WorkSettings::read(env(&[])).unwrap();
    assert!(work.openai.is_none());
}

#[test]
fn every_mistake_is_told_at_once_and_no_secret_with_it() {
    let told = ServeSettings::read(env(&[
        ("HOST", "0.0.0.0"),
        ("PORT", "99999"),
        ("ADMIN_PASSWORD_HASH", "hunter2-in-clear"),
        ("ADMIN_SESSION_SECRET", "tooshort"),
    ]))
    .unwrap_err()
    .to_string();
    for name in ["API_KEYS", "PORT", "ADMIN_PASSWORD_HASH", "ADMIN_SESSION_SECRET"] {
        assert!(told.contains(&format!("{name}: ")), "{told}");
    }
    assert!(!told.contains("hunter2") && !told.contains("tooshort"), "{told}");
}

#[test]
fn a_key_is_not_sent_to_another_address() {
    let mut variables = vec![
        ("OPENAI_BASE_URL", "http://127.0.0.1:1/v1"),
        ("OPENAI_API_KEY", "sk-chat"),
        ("OPENAI_MODEL", "m"),
        ("EMBEDDINGS_MODEL", "vectors"),
    ];
    let embeddings = |variables: &[(&str, &str)]| {
        WorkSettings::read(env(variables)).unwrap().openai.unwrap().embeddings.unwrap()
    };
    let same = embeddings(&variables);
    assert!(same.api_key.is_some() && same.base_url == "http://127.0.0.1:1/v1");
    variables.push(("EMBEDDINGS_BASE_URL", "http://127.0.0.1:2/v1"));
    assert!(embeddings(&variables).api_key.is_none());
}

#[test]
fn names_that_no_queue_and_no_broker_take_are_told_before_the_start() {
    for (name, value, told) in [
        ("REQUESTS_QUEUE", "evaluate", "queue of the evaluations themselves"),
        ("REQUESTS_QUEUE", "a\u{1}b", "no name of a queue"),
        ("RESULTS_TOPIC", "no spaces", "Kafka would not take"),
    ] {
        let mistakes = WorkSettings::read(env(&[(name, value)])).unwrap_err().to_string();
        assert!(mistakes.contains(name) && mistakes.contains(told), "{mistakes}");
    }
    let good =
        [("REQUESTS_QUEUE", "evaluate-requests"), ("RESULTS_TOPIC", "results.v1"), ("JOB_MAX_WAIT_S", "60")];
    let settings = WorkSettings::read(env(&good)).unwrap();
    assert_eq!(settings.requests_queue.as_deref(), Some("evaluate-requests"));
    assert_eq!(settings.common.results_topic.as_deref(), Some("results.v1"));
    assert_eq!(settings.job_max_wait_ms, Some(60_000));
}

#[test]
fn every_variable_that_is_read_is_listed() {
    let body = include_str!("../settings.rs").split("/// What both roles need.").nth(1).unwrap();
    let body = [body, include_str!("model.rs")].concat();
    for call in ["env.text(\"", "env.number(\"", "env.list(\"", "env.parsed(\"", "env.list::<Network>(\""] {
        for rest in body.split(call).skip(1) {
            let name = rest.split('"').next().unwrap();
            assert!(VARIABLES.iter().any(|(listed, _)| *listed == name), "{name} is not in VARIABLES");
        }
    }
}
