//! Recurring jobs: exactly one enqueue per due time, however many instances look.

use super::{Backend, Jobs};
use crate::conn::{Conn, Kind};
use crate::cron::{Cron, Schedule, StoredCron};
use crate::driver::Driver as _;
use crate::job::{Enqueued, NewJob, check_name};
use crate::{JobsError, clock::Millis};

impl Jobs {
    /// Adds or changes the recurring job `name`. Meant to be called at every start: an unchanged schedule keeps its
    /// next time. Workers enqueue it, see [`Jobs::enqueue_due`].
    ///
    /// # Errors
    /// [`JobsError::InvalidJob`] when the job is out of bounds or the date never comes.
    pub async fn set_cron(&self, name: &str, schedule: &Schedule, job: &NewJob) -> Result<(), JobsError> {
        check_name("cron", name)?;
        job.check()?;
        let cron = StoredCron {
            name: name.to_owned(),
            schedule: schedule.to_string(),
            job: serde_json::to_string(job)?,
            next_at_ms: next(schedule, self.now_ms())?,
        };
        let mut tx = self.begin().await?;
        on!(self, Conn::from(&mut tx), (d, c) => d.set_cron(c, &cron).await)?;
        tx.commit().await
    }

    /// Removes a recurring job; answers whether there was one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remove_cron(&self, name: &str) -> Result<bool, JobsError> {
        let mut tx = self.begin().await?;
        let there = on!(self, Conn::from(&mut tx), (d, c) => d.drop_cron(c, name).await)?;
        tx.commit().await?;
        Ok(there)
    }

    /// All recurring jobs.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn crons(&self) -> Result<Vec<Cron>, JobsError> {
        let crons = ask!(self, d => d.crons(None).await)?;
        crons.iter().map(Cron::try_from).collect()
    }

    /// Enqueues the recurring jobs whose time has come, each once however many instances call this; answers how
    /// many this call did. Times missed while nobody looked are made up for by one job. Workers call it every second.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn enqueue_due(&self) -> Result<usize, JobsError> {
        let now_ms = self.now_ms();
        let due = ask!(self, d => d.crons(Some(now_ms)).await)?;
        let mut enqueued = 0;
        for stored in &due {
            let cron = Cron::try_from(stored)?;
            let (from_ms, to_ms) = (stored.next_at_ms, next(&cron.schedule, now_ms)?);
            let mut tx = self.begin().await?;
            let mine = on!(self, Conn::from(&mut tx), (d, c) => d.advance_cron(c, &cron.name, from_ms, to_ms).await)?;
            if mine {
                enqueued += usize::from(matches!(self.enqueue(&mut tx, cron.job).await?, Enqueued::New(_)));
                tx.commit().await?;
            }
        }
        Ok(enqueued)
    }
}

fn next(schedule: &Schedule, now_ms: Millis) -> Result<Millis, JobsError> {
    schedule
        .next_after(now_ms)
        .ok_or_else(|| JobsError::InvalidJob(format!("schedule {schedule}: the date never comes")))
}

impl TryFrom<&StoredCron> for Cron {
    type Error = JobsError;

    fn try_from(stored: &StoredCron) -> Result<Self, JobsError> {
        Ok(Self {
            name: stored.name.clone(),
            schedule: stored.schedule.parse()?,
            job: serde_json::from_str(&stored.job)?,
            next_at_ms: stored.next_at_ms,
        })
    }
}
