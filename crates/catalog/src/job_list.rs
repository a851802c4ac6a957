//! Lists of jobs, a page at a time, each job with how it stands and its newest run.

use std::collections::HashMap;

use crate::error::Error;
use crate::job_standings::{self, JobStanding, JobStatus};
use crate::jobs::Job;
use crate::page::{Page, PageRequest};
use crate::runs::Run;
use crate::sql::{self, record};
use crate::values::Value;
use crate::{Catalog, names};

/// A job, how it stands, and its newest run.
#[derive(Debug, Clone)]
pub struct JobEntry {
    /// The job.
    pub job: Job,
    /// How it stands.
    pub standing: JobStanding,
    /// Its newest run, without what is recorded per database.
    pub last_run: Option<Run>,
}

/// Which jobs.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Only of these; of any if empty.
    pub statuses: Vec<JobStatus>,
    /// Only those whose name contains this, in upper or lower case.
    pub search: Option<String>,
    /// Only of this source.
    pub source_id: Option<String>,
    /// Only with this destination.
    pub destination_id: Option<String>,
    /// In which order.
    pub order: JobOrder,
}

/// The order of a list of jobs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum JobOrder {
    /// By name.
    #[default]
    Name,
    /// The most urgent first, then by name.
    Urgency,
}

struct Place {
    job_id: String,
}

record!(Place, "job_standings", { job_id });

impl JobOrder {
    fn columns(self) -> &'static str {
        match self {
            Self::Name => "name_key",
            Self::Urgency => "status, name_key",
        }
    }
}

impl JobEntry {
    /// Returns the key after which the next page begins.
    pub fn place(&self, order: JobOrder) -> String {
        match order {
            JobOrder::Name => self.job.name.clone(),
            JobOrder::Urgency => format!("{} {}", self.standing.status.rank(), self.job.name),
        }
    }
}

impl Catalog {
    /// Returns a page of all jobs, by name.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn jobs(&self, page: &PageRequest) -> Result<Page<JobEntry>, Error> {
        self.job_list(&JobFilter::default(), page).await
    }

    /// Returns a page of jobs.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn job_list(&self, filter: &JobFilter, page: &PageRequest) -> Result<Page<JobEntry>, Error> {
        let (mut conditions, mut values): (Vec<String>, Vec<Value>) = (Vec::new(), Vec::new());
        let mut bind = |value: Value| {
            values.push(value);
            format!("${}", values.len())
        };
        if let Some(after) = page.after.as_deref() {
            conditions.push(match filter.order {
                JobOrder::Name => format!("name_key > {}", bind(names::key(after).into())),
                JobOrder::Urgency => {
                    let (rank, name) = after.split_once(' ').unwrap_or(("0", after));
                    let rank = bind(rank.parse::<i64>().unwrap_or_default().into());
                    format!("(status, name_key) > ({rank}, {})", bind(names::key(name).into()))
                }
            });
        }
        if !filter.statuses.is_empty() {
            let places: Vec<String> = filter.statuses.iter().map(|status| bind(status.rank().into())).collect();
            conditions.push(format!("status IN ({})", places.join(", ")));
        }
        if let Some(text) = &filter.search {
            let escaped = names::key(text).replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
            conditions.push(format!("name_key LIKE {} ESCAPE '\\'", bind(format!("%{escaped}%").into())));
        }
        if let Some(id) = &filter.source_id {
            conditions.push(format!("job_id IN (SELECT id FROM jobs WHERE source_id = {})", bind(id.into())));
        }
        if let Some(id) = &filter.destination_id {
            // Most jobs share few destinations: in the order of the list, the first page is soon full.
            let link = "SELECT 1 FROM job_destinations d WHERE d.job_id = job_standings.job_id AND d.destination_id";
            conditions.push(format!("EXISTS ({link} = {})", bind(id.into())));
        }
        let which = if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) };
        let limit = bind(page.probe().into());
        let text = sql::select::<Place>(&format!("{which} ORDER BY {} LIMIT {limit}", filter.order.columns()));
        let places: Page<Place> = Page::of(sql::all(&self.db, &text, values).await?, page);
        let ids: Vec<String> = places.items.into_iter().map(|place| place.job_id).collect();
        Ok(Page { items: self.job_entries(&ids).await?, more: places.more })
    }

    /// Returns the job with this id.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn job_entry(&self, id: &str) -> Result<Option<JobEntry>, Error> {
        let mut entry = self.job_entries(&[id.to_owned()]).await?.pop();
        let runs = entry.as_mut().and_then(|entry| entry.last_run.as_mut());
        if let Some(run) = runs {
            self.add_items(std::slice::from_mut(run)).await?;
        }
        Ok(entry)
    }

    /// Returns the job with this name.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn job_by_name(&self, name: &str) -> Result<Option<JobEntry>, Error> {
        let text = "SELECT id FROM jobs WHERE name_key = $1";
        let id: Option<String> = sql::value(&self.db, text, [Value::from(names::key(name))]).await?;
        match id {
            Some(id) => self.job_entry(&id).await,
            None => Ok(None),
        }
    }

    /// Works out anew how these jobs stand, and those whose schedules could not be read.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn review_schedules(&self, unreadable: &[String]) -> Result<(), Error> {
        let text = sql::select::<Place>("WHERE schedule_error IS NOT NULL");
        let noted: Vec<Place> = sql::all(&self.db, &text, []).await?;
        let mut ids: Vec<&str> = noted.iter().map(|place| place.job_id.as_str()).collect();
        ids.extend(unreadable.iter().map(String::as_str));
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            let mut transaction = self.db.begin().await?;
            job_standings::refresh(&mut transaction, id).await?;
            transaction.commit().await?;
        }
        Ok(())
    }

    /// Returns these jobs in this order. Those that do not exist are left out.
    async fn job_entries(&self, ids: &[String]) -> Result<Vec<JobEntry>, Error> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let places = sql::placeholders(1, ids.len());
        let values = || ids.iter().map(Value::from);
        let jobs = sql::select::<Job>(&format!("WHERE id IN ({places})"));
        let mut jobs: Vec<Job> = sql::all(&self.db, &jobs, values()).await?;
        self.add_destinations(&mut jobs).await?;
        let standings = sql::select::<JobStanding>(&format!("WHERE job_id IN ({places})"));
        let standings: Vec<JobStanding> = sql::all(&self.db, &standings, values()).await?;
        let runs = format!(
            "SELECT {} FROM job_standings s JOIN runs r ON r.id = s.last_run_id WHERE s.job_id IN ({places})",
            sql::columns_of::<Run>("r")
        );
        let runs: Vec<Run> = sql::all(&self.db, &runs, values()).await?;
        let mut jobs: HashMap<String, Job> = jobs.into_iter().map(|job| (job.id.clone(), job)).collect();
        let mut standings: HashMap<String, JobStanding> =
            standings.into_iter().map(|standing| (standing.job_id.clone(), standing)).collect();
        let mut runs: HashMap<String, Run> =
            runs.into_iter().filter_map(|run| Some((run.job_id.clone()?, run))).collect();
        let entry = |id: &String| {
            let (job, standing) = (jobs.remove(id)?, standings.remove(id)?);
            Some(JobEntry { job, standing, last_run: runs.remove(id) })
        };
        Ok(ids.iter().filter_map(entry).collect())
    }
}
