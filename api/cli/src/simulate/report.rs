//! The report printed at the end.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use simulator::fake_telnyx::Ledger;

use crate::table::{count, numbers, table};
use simulator::{Comparison, Outcome};

/// The most differences printed; others are only counted.
const SHOWN: usize = 20;

/// The report: what was sent, what was requested, latencies, and what did not match.
pub(crate) fn report(outcome: &Outcome, ledger: &Ledger) -> String {
    let mut text = String::new();
    let mut section = |title: &str, table: Option<String>| {
        if let Some(table) = table {
            let _ = writeln!(text, "\n{title}\n{table}");
        }
    };
    section("What the carrier sent", Some(sent(ledger)));
    section("What the node asked of it", Some(asked(ledger)));
    section("In all", Some(in_all(outcome, ledger)));
    section("How fast webhooks were acknowledged", latency(ledger));
    section("Calls", Some(calls(outcome)));
    section("What did not match", differences(outcome));
    for fault in &outcome.faults {
        let _ = writeln!(text, "\n{fault}");
    }
    if outcome.interrupted {
        let _ = writeln!(text, "\nbroken off: calls under way are left out");
    }
    let _ = writeln!(text, "\n{}", last_line(outcome));
    text
}

fn last_line(outcome: &Outcome) -> String {
    let of = |wanted: fn(&Comparison) -> bool| outcome.calls.iter().filter(|(_, v)| wanted(v)).count();
    let right = of(|verdict| *verdict == Comparison::Right);
    let wrong = of(|verdict| matches!(verdict, Comparison::Wrong { .. }));
    let mut line = format!("{right} of {} calls are as they should be", outcome.calls.len());
    let unknowable = outcome.calls.len() - right - wrong;
    if unknowable > 0 {
        let _ = write!(line, ", {unknowable} cannot be told");
    }
    if wrong > 0 {
        let _ = write!(line, ", {wrong} are not");
    }
    line
}

fn sent(ledger: &Ledger) -> String {
    #[derive(Default)]
    struct Tally {
        attempts: u64,
        repeats: u64,
        taken: u64,
        refused: BTreeMap<u16, u64>,
        silent: u64,
    }
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    for hook in &ledger.webhooks {
        let tally = tallies.entry(&hook.event_type).or_default();
        tally.attempts += 1;
        tally.repeats += u64::from(hook.attempt > 1);
        match hook.status {
            Some(200..300) => tally.taken += 1,
            Some(status) => *tally.refused.entry(status).or_default() += 1,
            None => tally.silent += 1,
        }
    }
    let rows = tallies.into_iter().map(|(name, tally)| {
        let refused: Vec<_> =
            tally.refused.iter().map(|(status, times)| format!("{times} × {status}")).collect();
        [
            name.to_owned(),
            count(tally.attempts),
            count(tally.repeats),
            count(tally.taken),
            if refused.is_empty() { "0".to_owned() } else { refused.join(", ") },
            count(tally.silent),
        ]
    });
    numbers(["webhook", "sent", "again", "taken", "refused", "no answer"], rows)
}

fn asked(ledger: &Ledger) -> String {
    #[derive(Default)]
    struct Tally {
        all: u64,
        carried_out: u64,
        repeats: u64,
        doubled: u64,
        unanswered: u64,
        refused: u64,
    }
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    for command in &ledger.commands {
        let tally = tallies.entry(&command.name).or_default();
        tally.all += 1;
        tally.repeats += u64::from(command.repeat);
        tally.doubled += u64::from(command.doubled);
        match command.status {
            0 => tally.unanswered += 1,
            200..300 => tally.carried_out += u64::from(!command.repeat),
            _ => tally.refused += 1,
        }
    }
    let rows = tallies.into_iter().map(|(name, tally)| {
        let fields =
            [tally.all, tally.carried_out, tally.unanswered, tally.refused, tally.repeats, tally.doubled];
        let [a, b, c, d, e, f] = fields.map(count);
        [name.to_owned(), a, b, c, d, e, f]
    });
    let head =
        ["command", "received", "done", "done, unanswered", "refused", "same command_id", "asked twice"];
    numbers(head, rows)
}

fn in_all(outcome: &Outcome, ledger: &Ledger) -> String {
    let totals = &ledger.totals;
    let seconds = outcome.took.as_secs_f64().max(0.001);
    let mut rows = vec![
        ["calls".to_owned(), count(totals.calls)],
        ["events to report".to_owned(), count(totals.webhooks)],
        ["webhook requests".to_owned(), count(totals.attempts)],
        ["  taken".to_owned(), count(totals.accepted)],
        ["  a second".to_owned(), format!("{:.1}", totals.attempts as f64 / seconds)],
        ["commands".to_owned(), count(totals.commands)],
        ["seconds".to_owned(), format!("{seconds:.1}")],
    ];
    let on_purpose = [
        ("sent twice on purpose", totals.duplicates),
        ("put out of order on purpose", totals.shuffled),
        ("delayed on purpose", totals.delayed),
        ("lost on purpose", totals.lost),
        ("commands disturbed on purpose", totals.disturbed),
        ("records dropped to make room", ledger.forgotten),
    ];
    let seen = on_purpose.iter().filter(|(_, times)| *times > 0);
    rows.extend(seen.map(|(what, times)| [(*what).to_owned(), count(*times)]));
    numbers(["", ""], rows)
}

fn latency(ledger: &Ledger) -> Option<String> {
    let micros = &ledger.latency;
    let quantiles = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)];
    let row = quantiles.map(|(_, quantile)| {
        let value = if quantile < 1.0 { micros.value_at_quantile(quantile) } else { micros.max() };
        format!("{:.1} ms", value as f64 / 1000.0)
    });
    (!micros.is_empty()).then(|| numbers(quantiles.map(|(name, _)| name), [row]))
}

fn calls(outcome: &Outcome) -> String {
    let mut tallies = BTreeMap::new();
    for (story, verdict) in &outcome.calls {
        let tally: &mut [u64; 4] = tallies.entry(story.kind).or_default();
        tally[0] += 1;
        match verdict {
            Comparison::Right => tally[1] += 1,
            Comparison::Unknowable => tally[2] += 1,
            Comparison::Wrong { .. } => tally[3] += 1,
        }
    }
    let rows = tallies.into_iter().map(|(kind, tally)| {
        let [all, right, unknowable, wrong] = tally.map(count);
        [kind.name().to_owned(), all, right, unknowable, wrong]
    });
    numbers(["what happens", "calls", "as expected", "cannot be told", "not as expected"], rows)
}

fn differences(outcome: &Outcome) -> Option<String> {
    let wrong: Vec<_> = outcome
        .calls
        .iter()
        .filter_map(|(story, verdict)| match verdict {
            Comparison::Wrong { expected, shown, .. } => Some((story, expected, shown)),
            _ => None,
        })
        .collect();
    let mut rows: Vec<_> = wrong
        .iter()
        .take(SHOWN)
        .map(|(story, expected, shown)| {
            let id = story.id.map(|id| id.to_string());
            let leg = story.line.as_ref().map(|line| format!("leg {}", line.leg_id));
            let which = id.or(leg).unwrap_or_default();
            let kind = story.kind.name().to_owned();
            [story.number.to_string(), kind, which, (*expected).clone(), (*shown).clone()]
        })
        .collect();
    if wrong.len() > SHOWN {
        let more = format!("and {} more", wrong.len() - SHOWN);
        rows.push([String::new(), more, String::new(), String::new(), String::new()]);
    }
    (!rows.is_empty()).then(|| table(["call", "what happens", "which", "on the line", "the node says"], rows))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use simulator::SimulatedCall;
    use simulator::plan::Kind;

    use super::*;

    fn outcome(verdicts: Vec<Comparison>) -> Outcome {
        let story = |verdict| {
            let (number, kind) = (1, Kind::ConversationService);
            (SimulatedCall { number, kind, id: None, line: None, dial_broken: false, trouble: None }, verdict)
        };
        let calls = verdicts.into_iter().map(story).collect();
        Outcome { calls, took: Duration::from_secs(1), faults: Vec::new(), interrupted: false }
    }

    fn wrong() -> Comparison {
        Comparison::Wrong {
            expected: "ended, caller_hangup".to_owned(),
            shown: "in_progress".to_owned(),
            open: true,
        }
    }

    #[test]
    fn the_last_line_counts_every_kind_of_verdict() {
        assert_eq!(last_line(&outcome(vec![Comparison::Right])), "1 of 1 calls are as they should be");
        let all = outcome(vec![Comparison::Right, Comparison::Unknowable, wrong(), wrong()]);
        assert_eq!(last_line(&all), "1 of 4 calls are as they should be, 1 cannot be told, 2 are not");
        assert!(!all.is_as_expected());
    }

    #[test]
    fn differences_are_shown_up_to_a_limit_and_never_who_called() {
        assert!(differences(&outcome(vec![Comparison::Right])).is_none());
        let text = differences(&outcome(vec![wrong(); SHOWN + 3])).unwrap();
        assert_eq!(text.matches("in_progress").count(), SHOWN);
        assert!(text.contains("and 3 more"), "{text}");
        assert!(!text.contains("+1"), "{text}");
    }

    #[test]
    fn a_fault_of_the_whole_is_not_as_expected() {
        let mut all = outcome(vec![Comparison::Right]);
        assert!(all.is_as_expected());
        all.faults.push("something".to_owned());
        assert!(!all.is_as_expected());
    }
}
