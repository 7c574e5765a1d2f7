use std::{path::Path, time::SystemTime};

use plimsoll_fleet::MemoryEnforcement;
use plimsoll_scale::vpa::{Mode, Verdict};
use plimsoll_stack::parse;

use super::*;
use crate::{
    record::{Draft, Kind},
    service::{Managed, Memory},
};

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
        crashes: restarts,
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
    let advice = sizing.advice(&service, &[], END).expect("advice");
    assert_eq!((&advice.cpu.verdict, &advice.memory.verdict), (&Verdict::Lower, &Verdict::Lower));
    assert!((150..260).contains(&advice.cpu.target), "{}", advice.cpu.target);
    assert!((600 << 20..900 << 20).contains(&advice.memory.target), "{}", advice.memory.target);
    let told = words::lines(&advice, Mode::Off);
    assert!(
        told[0].starts_with("size of cpu: 2000m stated, ") && told[0].ends_with("can be lowered"),
        "{told:?}"
    );

    let restored = Sizing::new(&service, Some(&sizing.usage.checkpoint())).expect("advice is asked for");
    let again = restored.advice(&service, &[], END).expect("advice");
    assert!(again.cpu.target.abs_diff(advice.cpu.target) <= advice.cpu.target.unsigned_abs() / 50);
    assert_eq!(again.memory.verdict, advice.memory.verdict);
}

#[test]
fn end_at_the_memory_limit_raises_the_advice() {
    let service = service("");
    let calm = two_days(&service, |_| 0).advice(&service, &[], END).expect("advice");
    let restless =
        two_days(&service, |quarter| u32::from(quarter > 5000)).advice(&service, &[], END).expect("advice");
    assert!(restless.memory.target > 4 << 30, "{}", restless.memory.target);
    assert!(calm.memory.target < 1 << 30);
}

#[test]
fn resource_that_an_autoscaler_owns_is_left_alone() {
    let owned = service("    scaling: { maxReplicas: 3 }\n");
    let advice = two_days(&owned, |_| 0).advice(&owned, &[], END).expect("advice");
    assert!(advice.cpu.is_owned() && !advice.memory.is_owned());
    let asked = service("    scaling: { maxReplicas: 3, concurrency: { target: 1 } }\n");
    let advice = two_days(&asked, |_| 0).advice(&asked, &[], END).expect("advice");
    assert!(!advice.cpu.is_owned());
}

/// Four instances with what is stated, and eight days of little use in memory.
fn managed(mode: &str) -> (Managed, Vec<Instance>) {
    let service = service("    replicas: 4\n");
    let service =
        Service { vertical: service.vertical.map(|wish| Wish { mode: mode_of(mode), ..wish }), ..service };
    let usage = two_days(&service, |_| 0).usage.checkpoint();
    let memory = Memory { desired: 4, usage: Some(usage), ..Memory::default() };
    let managed = Managed::new("a", &service, Path::new("."), Some(memory), END);
    (managed, (1..=4).map(|number| instance(number, 150, 600 << 20, 0)).collect())
}

fn mode_of(mode: &str) -> Mode {
    serde_json::from_value(mode.into()).unwrap_or_else(|error| panic!("{error}"))
}

fn round(managed: &mut Managed, instances: &[Instance], busy: &[&str]) -> Option<Draft> {
    managed.size(&instances.iter().collect::<Vec<_>>(), |id| busy.contains(&id), END)
}

#[test]
fn too_little_use_is_said_instead_of_advice() {
    let service = service("");
    let mut managed = Managed::new("a", &service, Path::new("."), None, END);
    assert_eq!(round(&mut managed, &[instance(1, 150, 600 << 20, 0)], &[]), None);
    let told = &managed.sizing.as_ref().expect("a wish").lines;
    assert_eq!(told, &["size: no advice before 5 samples of CPU, one a minute and instance; 1 so far"]);
}

#[test]
fn off_and_initial_replace_nobody() {
    for mode in ["Off", "Initial"] {
        let (mut managed, instances) = managed(mode);
        assert_eq!(round(&mut managed, &instances, &[]), None, "{mode}");
        assert!(managed.outdated.is_empty());
    }
    let (mut managed, instances) = managed("Initial");
    round(&mut managed, &instances, &[]);
    let told = &managed.sizing.as_ref().expect("advice").lines;
    assert!(told[1].contains("): new instances get "), "{told:?}");
}

#[test]
fn recreate_replaces_one_at_a_time_and_the_idle_first() {
    let (mut managed, mut instances) = managed("Recreate");
    let draft = round(&mut managed, &instances, &["a-1", "a-2"]).expect("an instance is due");
    assert_eq!(draft.kind, Kind::Size);
    assert!(
        draft.summary.starts_with("replacing a-3 for its size: its cpu 2000m is outside of "),
        "{}",
        draft.summary
    );
    assert!(draft.detail["size"]["lines"][1].as_str().is_some_and(|line| line.contains("4096Mi stated")));
    let chosen: Vec<String> = managed.outdated.iter().map(ToString::to_string).collect();
    assert_eq!(chosen, ["a-3"], "the first two are busy");
    assert_eq!(round(&mut managed, &instances, &[]), None, "one at a time");
    // It is on its way out, and the new one has come.
    managed.leaving.insert(InstanceId::new("a", 3));
    managed.outdated.clear();
    assert_eq!(round(&mut managed, &instances, &[]), None, "not before the old one is gone");
    managed.leaving.clear();
    instances[2].state = State::Starting;
    assert_eq!(round(&mut managed, &instances, &[]), None, "not while one is starting");
    instances[2].state = State::Ready;
    let size = managed.sizing.as_ref().expect("advice").advice(&managed.service, &[], END).expect("advice");
    let size = Amounts { cpu_milli: size.cpu.target, memory_bytes: size.memory.target };
    if let Some(sizing) = &mut managed.sizing {
        sizing.sizes.insert(InstanceId::new("a", 3), size);
    }
    let next =
        round(&mut managed, &instances, &["a-1", "a-2", "a-4"]).expect("the others are due, busy or not");
    assert!(next.summary.starts_with("replacing a-1 "), "{}", next.summary);
}

#[test]
fn fewer_instances_than_the_least_are_left_alone() {
    let (mut managed, instances) = managed("Recreate");
    managed.memory.desired = 1;
    assert_eq!(round(&mut managed, &instances[..1], &[]), None);
    if let Some(sizing) = &mut managed.sizing {
        sizing.wish.min_replicas = 1;
    }
    assert!(round(&mut managed, &instances[..1], &[]).is_some());
}
