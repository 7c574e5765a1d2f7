//! The worker runtime with the real clock and short leases, on each database.

mod fixture;
mod runs;
mod settles;
mod stops;

/// Makes a test per database out of each function, which takes a fixture.
macro_rules! every_database {
    ($($module:ident :: { $($name:ident),* $(,)? })*) => {
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
    };
}

every_database! {
    runs::{
        w22_every_job_runs_once_within_the_concurrency,
        jobs_claimed_ahead_run_once_within_the_concurrency,
        job_of_ten_times_its_lease_runs_once,
        commit_of_another_handle_wakes_an_idle_worker_at_once,
        who_begins_to_listen_looks_once_for_what_it_did_not_hear,
        full_pool_of_one_class_does_not_hold_up_another,
        wait_and_run_times_are_measured,
        recurring_job_is_enqueued_by_running_workers_once_each_time,
    }
    stops::{
        handler_is_dropped_when_its_lease_is_lost,
        stop_lets_running_jobs_finish_and_starts_no_other,
        jobs_claimed_ahead_do_not_start_after_the_stop_and_lose_no_attempt,
        jobs_claimed_ahead_of_a_recycle_go_back_at_the_stop_all_the_same,
        unfinished_jobs_are_released_soon_after_the_drain_and_lose_no_attempt,
        running_job_is_stopped_at_its_deadline,
        worker_is_done_after_as_many_jobs_as_asked,
        cancelled_job_is_dropped_by_the_worker_that_holds_it,
    }
    settles::{
        panics_and_errors_are_told_apart_counted_and_retried_until_dead,
        result_and_completion_share_the_handlers_transaction,
        account_and_failure_share_the_handlers_transaction,
    }
}
