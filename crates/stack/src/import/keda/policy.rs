//! What of a ScaledObject becomes a policy beside the metrics.

use plimsoll_scale::policy::schedule::Schedule;
use plimsoll_scale::spec::policy::ScheduleFloor;

use super::super::draft::{Draft, part};
use super::super::emit::{Yaml, map, number, text};
use super::{MOST, words};
use crate::decode::{Field, Fields};
use crate::diagnostic::{Sink, quote};

/// A cron trigger as a floor. What KEDA understands of cron and this does not is noted.
pub(super) fn schedule(
    field: &Field<'_>,
    metadata: &Fields<'_>,
    name: &str,
    draft: &mut Draft,
    sink: &mut Sink,
) -> Option<Yaml> {
    draft.note_others("the cron trigger", metadata, &["timezone", "start", "end", "desiredReplicas"]);
    let mut read = |key: &str, hint: &str| {
        let found = metadata.required(key, hint, sink)?;
        Some(words(Some(found.node)))
    };
    let timezone = read("timezone", "an IANA name such as `Europe/Berlin`");
    let start = read("start", "a cron time such as `0 8 * * *`");
    let end = read("end", "a cron time such as `0 18 * * *`");
    let replicas = read("desiredReplicas", "such as `desiredReplicas: \"5\"`")?;
    let Some(replicas) = replicas.parse::<u32>().ok().filter(|replicas| (1..=MOST).contains(replicas)) else {
        let what = format!("{} replicas are no floor, so the schedule is left out", quote(&replicas));
        draft.mention(field.at(), what);
        return None;
    };
    let floor =
        ScheduleFloor { name: name.to_owned(), start: start?, end: end?, timezone: timezone?, replicas };
    if let Err(error) = Schedule::compile(&floor) {
        let what = format!("the schedule has no equivalent: {error}");
        draft.note(field.at(), what, "write the times as minute, hour, day of month, month, day of week");
        return None;
    }
    Some(map([
        ("name", text(floor.name)),
        ("start", text(floor.start)),
        ("end", text(floor.end)),
        ("timezone", text(floor.timezone)),
        ("replicas", number(replicas)),
    ]))
}

/// Adds a floor under a name of its own: a second one of the same name gets the number of its trigger.
pub(super) fn add_schedule(schedule: &mut Vec<Yaml>, mut floor: Yaml, index: usize) {
    let name_of = |floor: &Yaml| match floor {
        Yaml::Map(entries) => entries.first().map(|(_, name)| name.clone()),
        _ => None,
    };
    let taken = schedule.iter().any(|other| name_of(other) == name_of(&floor));
    if taken
        && let Yaml::Map(entries) = &mut floor
        && let Some((_, Yaml::Text(name))) = entries.first_mut()
    {
        name.push_str(&format!("-cron-{index}"));
    }
    schedule.push(floor);
}

/// `fallback` as what follows the loss of a signal. KEDA does not hold a last answer.
pub(super) fn fallback(field: &Field<'_>, draft: &mut Draft, sink: &mut Sink) -> Option<Yaml> {
    let fields = Fields::open_any(field, sink)?;
    draft.note_others("`fallback`", &fields, &["failureThreshold", "replicas", "behavior"]);
    let threshold = fields.required("failureThreshold", "such as `failureThreshold: 3`", sink)?;
    let threshold = threshold.integer(0..=MOST, sink)?;
    let replicas = fields.required("replicas", "such as `replicas: 6`", sink)?.integer(0..=MOST, sink)?;
    let behavior = fields.optional("behavior").map(|field| words(Some(field.node)));
    let behavior = behavior.unwrap_or_else(|| "static".to_owned());
    let known = ["static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower"];
    if !known.contains(&behavior.as_str()) {
        let what = format!("the fallback behavior {} has no equivalent", quote(&behavior));
        draft.note(
            fields.key_at("behavior"),
            what,
            "while a metric cannot be read a service is never scaled in",
        );
        return None;
    }
    let fallback = [
        part("failureThreshold", number(threshold)),
        part("replicas", number(replicas)),
        part("behavior", text(behavior)),
    ];
    Some(map([("holdSeconds", number(0)), ("fallback", Yaml::Map(fallback.into()))]))
}
