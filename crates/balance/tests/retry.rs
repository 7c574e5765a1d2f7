//! When a request may be sent again, and how many retries the traffic may carry.

use std::time::Duration;

use plimsoll_balance::{
    Attempt, BudgetPolicy, Failure, RetryBudget, RetryPolicy, Sent, Verdict, is_idempotent,
};
use proptest::prelude::*;

const POLICY: RetryPolicy = RetryPolicy { max_attempts: 3 };

fn attempt(method: &str, sent: Sent) -> Attempt<'_> {
    Attempt { method, sent, is_replayable: true, is_answered: false, reached: 1 }
}

#[test]
fn what_was_not_sent_is_sent_again_whatever_the_method() {
    for method in ["GET", "POST", "PATCH", "BREW"] {
        assert_eq!(POLICY.may_retry(&attempt(method, Sent::Nothing), Failure::Connect), Verdict::RetryFree);
        assert_eq!(POLICY.may_retry(&attempt(method, Sent::Nothing), Failure::Broken), Verdict::RetryFree);
    }
}

#[test]
fn a_post_that_was_sent_is_not_replayed() {
    for failure in [Failure::Broken, Failure::Invalid, Failure::Status(503)] {
        assert_eq!(POLICY.may_retry(&attempt("POST", Sent::Something), failure), Verdict::GiveUp);
        assert_eq!(
            POLICY.may_retry(&attempt("get", Sent::Something), failure),
            Verdict::GiveUp,
            "not the method GET"
        );
        assert_eq!(POLICY.may_retry(&attempt("GET", Sent::Something), failure), Verdict::RetryBudgeted);
    }
}

#[test]
fn an_answer_that_did_not_come_in_time_is_not_waited_for_twice() {
    for method in ["GET", "POST"] {
        assert_eq!(POLICY.may_retry(&attempt(method, Sent::Something), Failure::Timeout), Verdict::GiveUp);
    }
}

#[test]
fn answers_about_the_request_itself_are_final() {
    for status in [200, 301, 400, 404, 409, 429, 501, 505] {
        assert_eq!(
            POLICY.may_retry(&attempt("GET", Sent::Something), Failure::Status(status)),
            Verdict::GiveUp
        );
    }
}

#[test]
fn attempts_that_reached_an_endpoint_are_limited() {
    let third = Attempt { reached: 3, ..attempt("GET", Sent::Something) };
    assert_eq!(POLICY.may_retry(&third, Failure::Broken), Verdict::GiveUp);
}

#[test]
fn idempotent_methods_are_those_of_rfc_9110() {
    for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"] {
        assert!(is_idempotent(method));
    }
    for method in ["POST", "PATCH", "CONNECT", "LOCK", "", "get"] {
        assert!(!is_idempotent(method));
    }
}

#[test]
fn a_quiet_service_may_retry_from_its_reserve() {
    let policy = BudgetPolicy { percent: 20, min_per_s: 2, reserve: Duration::from_secs(5), max_saved: 100 };
    let mut budget = RetryBudget::new(policy, Duration::ZERO);
    assert_eq!((0..100).filter(|_| budget.try_withdraw(Duration::ZERO)).count(), 10);
    assert_eq!((0..100).filter(|_| budget.try_withdraw(Duration::from_millis(1_500))).count(), 3);
}

proptest! {
    #[test]
    fn never_retried_when_answered_or_not_replayable(
        method in "(GET|POST|PUT)",
        nothing_sent in any::<bool>(),
        is_answered in any::<bool>(),
        reached in 0u32..5,
    ) {
        let sent = if nothing_sent { Sent::Nothing } else { Sent::Something };
        let attempt = Attempt { method: &method, sent, is_replayable: is_answered, is_answered, reached };
        prop_assert_eq!(POLICY.may_retry(&attempt, Failure::Broken), Verdict::GiveUp);
    }

    /// Retries never exceed the share of the requests plus the allowance, over any history.
    #[test]
    fn retries_stay_inside_the_budget(
        percent in 0u32..100,
        min_per_s in 0u32..20,
        steps in proptest::collection::vec((0u64..2_000, any::<bool>()), 0..500),
    ) {
        let reserve = Duration::from_secs(3);
        let policy = BudgetPolicy { percent, min_per_s, reserve, max_saved: 1_000 };
        let mut budget = RetryBudget::new(policy, Duration::ZERO);
        let mut now = Duration::ZERO;
        let (mut requests, mut retries) = (0u64, 0u64);
        for (wait_ms, is_retry) in steps {
            now += Duration::from_millis(wait_ms);
            if is_retry {
                retries += u64::from(budget.try_withdraw(now));
            } else {
                budget.deposit();
                requests += 1;
            }
            let from_requests = requests * u64::from(percent) / 100;
            let from_time = (now + reserve).as_millis() as u64 * u64::from(min_per_s) / 1_000;
            prop_assert!(retries <= from_requests + from_time);
        }
    }
}
