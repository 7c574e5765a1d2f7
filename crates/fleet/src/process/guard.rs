//! The guard process: outlives plimsoll by a moment and takes everything it started along.
//!
//! It reads lines from its standard input, a pipe that only plimsoll holds open, so the end of that input
//! means that plimsoll is gone, however it went. Lines:
//!
//! * `fleet <uuid>`: first, whose guard this is;
//! * `add <pid> <start ticks>` and `remove <pid>`: process groups to end, besides what carries the marker.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::process::setsid;
use rustix::thread::set_name;

use super::marker::Marker;
use super::sweep::Target;
use super::table::Group;

/// How long the guard keeps killing before it gives up on processes that do not die (or are not ours).
const PATIENCE: Duration = Duration::from_secs(30);

/// What the guard says once it can no longer be taken along with plimsoll's process group.
pub(crate) const READY: &[u8] = b"ready\n";

/// Body of the hidden subcommand that `FleetConfig::guard_command` names: call it with locked standard
/// input and output before anything else (arguments, logging, runtime) is set up.
///
/// Returns after plimsoll has gone and all its instances are dead: success when none is left, failure when
/// some survived or the input made no sense.
pub fn run_guard(mut input: impl BufRead, mut output: impl Write) -> ExitCode {
    // Ctrl-C and the end of the terminal reach the session and group of plimsoll: this must not be in them.
    // It fails only for a process that leads a group already, which then is alone in it: as good.
    let _ = setsid();
    // `killall plimsoll` goes by this name, as `pkill -f` goes by the one in the command line.
    let _ = set_name(c"fleet-guard");
    // The directory may be deleted or unmounted while plimsoll runs.
    let _ = std::env::set_current_dir("/");

    let Some(fleet) = read_line(&mut input).and_then(|line| Some(line.strip_prefix("fleet ")?.to_owned()))
    else {
        return ExitCode::FAILURE;
    };
    if output.write_all(READY).and_then(|()| output.flush()).is_err() {
        return ExitCode::FAILURE;
    }

    let mut groups = BTreeMap::new();
    while let Some(line) = read_line(&mut input) {
        apply(&line, &mut groups);
    }

    let target = Target { markers: vec![Marker::of_fleet(fleet)], groups: groups.into_values().collect() };
    let swept = target.kill_all(Instant::now() + PATIENCE);
    if swept.left == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The next line, or `None` at the end of the input (a read error is the end as well: nobody writes anymore).
fn read_line(input: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    match input.read_line(&mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(line.trim_end().to_owned()),
    }
}

/// Lines that make no sense are passed over: the marker still finds everything.
fn apply(line: &str, groups: &mut BTreeMap<i32, Group>) {
    let mut words = line.split(' ');
    let verb = words.next();
    let Some(Ok(id)) = words.next().map(str::parse::<i32>) else { return };
    match (verb, words.next().map(str::parse::<u64>)) {
        (Some("add"), Some(Ok(start_ticks))) => {
            groups.insert(id, Group { id, start_ticks });
        }
        (Some("remove"), None) => {
            groups.remove(&id);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_added_and_removed_and_nonsense_is_passed_over() {
        let mut groups = BTreeMap::new();
        for line in ["add 7 100", "add 8 200", "", "add", "add x 1", "add 9", "remove 7", "remove x", "sing"]
        {
            apply(line, &mut groups);
        }
        assert_eq!(groups.into_values().collect::<Vec<_>>(), [Group { id: 8, start_ticks: 200 }]);
    }
}
