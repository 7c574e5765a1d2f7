use std::time::SystemTime;

use plimsoll_fleet::MemoryEnforcement;
use plimsoll_stack::parse;

use super::*;

fn service(more: &str) -> Service {
    let source = format!(
        "name: x\nservices:\n  a:\n    command: [a]\n    resources: {{ cpu: 2, memory: 4Gi }}\n    vertical_scaling: {{ mode: Off }}\n{more}"
    );
    let mut stack = parse("x.yaml", source.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    stack.services.remove("a").expect("a service")
}

fn instance(number: u64, cpu_milli: u64, memory_bytes: u64, restarts: u32) -> Instance {
    Instance {
        id: InstanceId::new("a", number),
        service: "a".to_owned(),
        state: State::Ready,
        address: ([127, 0, 0, 1], 1).into(),
        pid: Some(1),
        restarts,
        launched_at: SystemTime::UNIX_EPOCH,
        started_at: None,
        ready_since: None,
        startup: None,
        cpu_milli: Some(cpu_milli),
        memory_bytes: Some(memory_bytes),
        memory_limit_bytes: None,
        memory_enforcement: MemoryEnforcement::None,
        last_exit: (restarts > 0).then(|| "killed by signal 9 (out of memory limit, 4096 MiB)".to_owned()),
        not_ready_because: None,
        last_log: Vec::new(),
    }
}

/// Two days of two instances, looked at every quarter of a minute.
fn two_days(service: &Service, restarts: impl Fn(i64) -> u32) -> Sizing {
    let mut sizing = Sizing::new(service, None).expect("advice is asked for");
    for quarter in 0..4 * 2880 {
        let (one, two) = (instance(1, 150, 600 << 20, restarts(quarter)), instance(2, 100, 500 << 20, 0));
        sizing.feed(&[&one, &two], service.resources.memory_bytes, Time(quarter * 15_000));
    }
    sizing
}

const END: Time = Time(2 * 86_400_000);

#[test]
fn too_large_sizes_are_told_and_a_stored_history_tells_the_same() {
    let service = service("");
    let sizing = two_days(&service, |_| 0);
    let advice = sizing.advice(&service, END).expect("advice");
    assert_eq!((&advice.cpu.verdict, &advice.memory.verdict), (&Verdict::Lower, &Verdict::Lower));
    assert!((150..260).contains(&advice.cpu.target), "{}", advice.cpu.target);
    assert!((600 << 20..900 << 20).contains(&advice.memory.target), "{}", advice.memory.target);
    let told = lines(&advice);
    assert!(
        told[0].starts_with("size of cpu: 2000m stated, ") && told[0].ends_with("can be lowered"),
        "{told:?}"
    );

    let restored = Sizing::new(&service, Some(&sizing.usage.checkpoint())).expect("advice is asked for");
    let again = restored.advice(&service, END).expect("advice");
    assert!(again.cpu.target.abs_diff(advice.cpu.target) <= advice.cpu.target.unsigned_abs() / 50);
    assert_eq!(again.memory.verdict, advice.memory.verdict);
}

#[test]
fn end_at_the_memory_limit_raises_the_advice() {
    let service = service("");
    let calm = two_days(&service, |_| 0).advice(&service, END).expect("advice");
    let restless =
        two_days(&service, |quarter| u32::from(quarter > 5000)).advice(&service, END).expect("advice");
    assert!(restless.memory.target > 4 << 30, "{}", restless.memory.target);
    assert!(calm.memory.target < 1 << 30);
}

#[test]
fn resource_that_an_autoscaler_owns_is_left_alone() {
    let owned = service("    scaling: { maxReplicas: 3 }\n");
    let advice = two_days(&owned, |_| 0).advice(&owned, END).expect("advice");
    assert!(advice.cpu.is_owned() && !advice.memory.is_owned());
    let asked = service("    scaling: { maxReplicas: 3, concurrency: { target: 1 } }\n");
    let advice = two_days(&asked, |_| 0).advice(&asked, END).expect("advice");
    assert!(!advice.cpu.is_owned());
}
