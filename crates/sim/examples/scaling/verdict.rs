//! Whether the aim is met, and what is missing when it is not.

use std::io::Write;

use crate::contenders::Figures;

/// One policy of ours against one of theirs.
pub(crate) struct Verdict {
    pub(crate) trace: String,
    pub(crate) startup_s: f64,
    pub(crate) against: String,
    pub(crate) old: Figures,
    pub(crate) new: Figures,
    /// Per cent of the requests that take too long whatever the replicas.
    pub(crate) unavoidable: f64,
    pub(crate) aim: Aim,
    /// What was possible, when that was looked at.
    pub(crate) hindsight: Option<Hindsight>,
}

/// What somebody would have got who knows the second half, but not when its bursts come.
pub(crate) struct Hindsight {
    pub(crate) words: String,
    /// Something met the aim.
    pub(crate) in_reach: bool,
}

/// How the aim came out.
pub(crate) enum Aim {
    Met,
    /// Half of what can be avoided, not half of everything.
    MetAvoidable,
    /// The other one leaves nothing to halve.
    NothingLeft,
    /// What is missing, in words.
    Missed(String),
}

/// The table of verdicts, calm ones first, and how many are met.
pub(crate) fn print(verdicts: &[Verdict], out: &mut impl Write) -> std::io::Result<()> {
    let (calm, bursty): (Vec<_>, Vec<_>) = verdicts.iter().partition(|it| it.is_calm());
    for (kind, some) in [("calm", calm), ("bursty", bursty)] {
        if some.is_empty() {
            continue;
        }
        let met = some.iter().filter(|it| it.aim.is_met()).count();
        let open = some.iter().filter(|it| !matches!(it.aim, Aim::NothingLeft)).count();
        let is_lost = |it: &&&Verdict| {
            matches!(it.aim, Aim::Missed(_)) && it.hindsight.as_ref().is_some_and(|it| !it.in_reach)
        };
        let lost = some.iter().filter(is_lost).count();
        writeln!(
            out,
            "\n{kind}: the aim is met in {met} of {open} comparisons; in {lost} of the others nothing tried meets it, even knowing the second half\n"
        )?;
        writeln!(
            out,
            "| trace | start-up | against | aim | over SLO % | avoidable % | waited % | replica-hours | missing | knowing the second half |\n|---|---|---|---|---|---|---|---|---|---|"
        )?;
        some.iter().try_for_each(|it| writeln!(out, "{}", it.line()))?;
    }
    Ok(())
}

// === impl Verdict ===

impl Verdict {
    fn is_calm(&self) -> bool {
        self.against == "HPA stock"
    }

    fn line(&self) -> String {
        let Self { trace, startup_s, against, old, new, unavoidable, aim, hindsight } = self;
        let hindsight = hindsight.as_ref().map_or("", |it| &it.words);
        let missing = match aim {
            Aim::Missed(words) => words,
            _ => "",
        };
        let (before, after) = (old.over_slo - unavoidable, new.over_slo - unavoidable);
        format!(
            "| {trace} | {startup_s:.0} s | {against} | {} | {:.2} -> {:.2} | {before:.2} -> {after:.2} | {:.2} -> {:.2} | {:.2} -> {:.2} ({:.0} %) | {missing} | {hindsight} |",
            aim.word(),
            old.over_slo,
            new.over_slo,
            old.waited,
            new.waited,
            old.hours,
            new.hours,
            new.hours / old.hours * 100.0
        )
    }
}

// === impl Aim ===

impl Aim {
    /// The violations of the other one, within 0.05 points, for 85 % of its hours.
    pub(crate) fn calm(old: Figures, new: Figures) -> Self {
        let mut missing = Vec::new();
        if new.over_slo > old.over_slo + 0.05 {
            missing.push(format!("violations {:+.2} points, 0.05 wanted", new.over_slo - old.over_slo));
        }
        if new.hours > 0.85 * old.hours {
            missing.push(format!("hours {:.1} %, 85 wanted", new.hours / old.hours * 100.0));
        }
        if missing.is_empty() { Self::Met } else { Self::Missed(missing.join("; ")) }
    }

    /// At most half the violations and half the waits at no more hours.
    pub(crate) fn bursty(old: Figures, new: Figures, unavoidable: f64) -> Self {
        let excess = |it: Figures| (it.over_slo - unavoidable).max(0.0);
        if excess(old) <= 0.05 && old.waited <= 0.1 {
            return Self::NothingLeft;
        }
        let mut missing = Vec::new();
        let mut at_most = |what: &str, share: f64, wanted: f64| {
            if share > wanted {
                missing.push(format!("{what} {share:.1} %, {wanted:.0} wanted"));
            }
        };
        let share = |new: f64, old: f64| if new == 0.0 { 0.0 } else { new / old * 100.0 };
        let whole = share(new.over_slo, old.over_slo);
        let avoidable = share(excess(new), excess(old));
        at_most("violations", whole.min(avoidable), 50.0);
        at_most("waits", share(new.waited, old.waited), 50.0);
        at_most("hours", share(new.hours, old.hours), 100.0);
        match missing.is_empty() {
            true if whole <= 50.0 => Self::Met,
            true => Self::MetAvoidable,
            false => Self::Missed(missing.join("; ")),
        }
    }

    pub(crate) fn is_met(&self) -> bool {
        matches!(self, Self::Met | Self::MetAvoidable)
    }

    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::MetAvoidable => "met in what can be avoided",
            Self::NothingLeft => "nothing left to halve",
            Self::Missed(_) => "missed",
        }
    }
}
