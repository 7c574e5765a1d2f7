//! What every driver must do, run against each of them. The clock is moved by the tests.

mod cron;
mod dead;
mod enqueue;
mod fair;
mod fixture;
mod holders;
mod keep;
mod lanes;
mod lease;
mod model;
mod order;
mod retries;

/// Makes a test per driver out of each function, which takes a fixture.
macro_rules! every_driver {
    ($($module:ident :: { $($name:ident),* $(,)? })*) => {
        mod memory { $(mod $module { $(
            #[tokio::test]
            async fn $name() {
                crate::$module::$name(crate::fixture::memory().await).await;
            }
        )* })* }
        mod sqlite { $(mod $module { $(
            #[tokio::test]
            async fn $name() {
                crate::$module::$name(crate::fixture::sqlite().await).await;
            }
        )* })* }
        mod postgres { $(mod $module { $(
            #[tokio::test]
            async fn $name() {
                if let Some(fixture) = crate::fixture::postgres().await {
                    crate::$module::$name(fixture).await;
                }
            }
        )* })* }
        /// Postgres behind a real pgbouncer that keeps nothing of a session but its transactions.
        mod pgbouncer { $(mod $module { $(
            #[tokio::test]
            async fn $name() {
                if let Some(fixture) = crate::fixture::pgbouncer().await {
                    crate::$module::$name(fixture).await;
                }
            }
        )* })* }
    };
}

every_driver! {
    lease::{
        job_is_claimed_once_and_gone_when_completed,
        expired_lease_goes_to_another_worker_and_fences_the_first,
        expired_lease_ends_nothing_though_nobody_took_the_job_yet,
        last_expired_lease_makes_a_dead_letter,
        heartbeat_keeps_a_lease_and_does_not_revive_an_expired_one,
        released_job_keeps_its_place_and_its_attempts,
        failure_is_retried_after_the_named_wait_then_dead,
        retry_waits_at_most_the_backoff,
        waits_grow_with_the_attempts_and_the_cap_holds,
        job_past_its_deadline_is_buried_not_started,
        many_are_completed_at_once_and_lost_ones_are_left_out,
        uncommitted_claim_completion_and_failure_leave_no_trace,
        progress_is_visible_and_fenced,
    }
    enqueue::{
        payloads_come_back_as_they_were,
        job_of_a_rolled_back_transaction_is_absent,
        jobs_enqueued_by_themselves_are_there_at_once_and_ring,
        unique_key_admits_one_live_job,
        of_many_at_once_one_gets_the_unique_key,
        of_many_requests_at_once_one_makes_the_job,
        same_request_makes_one_job_and_another_body_is_refused,
        invalid_jobs_are_refused_and_nothing_is_added,
        large_batch_keeps_its_order,
    }
    order::{
        many_jobs_come_out_in_order_of_priority_then_age,
        scheduled_job_of_high_priority_does_not_block_others,
        oldest_age_is_that_of_the_oldest_over_all_priorities,
        counts_and_ages_include_what_no_claim_has_moved_yet,
        queues_do_not_mix,
    }
    lanes::{
        lanes_are_served_in_turn_however_long_they_are,
        unused_share_of_a_lane_goes_to_the_others,
        limit_of_a_lane_holds_until_a_job_ends,
        star_limits_the_lanes_without_their_own,
        many_blocked_lanes_do_not_hide_a_free_one,
    }
    fair::{
        limit_of_a_lane_holds_with_many_claimers_at_once,
    }
    retries::{
        retries_of_an_outage_stay_within_the_budget_and_none_is_lost,
        queues_have_budgets_of_their_own,
    }
    dead::{
        dead_letters_are_listed_in_order_and_by_pages,
        dead_letter_tells_why_each_attempt_failed,
        requeued_job_has_all_its_attempts_again,
        discarded_job_is_gone,
    }
    keep::{
        waiting_job_is_cancelled_at_once_and_a_leased_one_by_its_holder,
        jobs_of_a_batch_go_their_own_ways,
        outcome_is_visible_as_long_as_asked,
        purge_spares_what_lives,
        erased_owner_leaves_nothing_and_the_holder_is_fenced,
    }
    holders::{
        holders_are_told_by_name_while_their_leases_live,
        leases_of_a_dead_worker_end_at_once_and_fence_it,
        times_of_all_workers_add_up,
    }
    cron::{
        due_time_makes_one_job_across_instances,
        missed_times_are_made_up_for_once,
        unchanged_schedule_keeps_its_next_time,
    }
}
