//! Cases against several servers that take turns, so that a busy moment of the machine hits all.

use std::sync::Arc;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::body::Body;
use crate::cases::Case;
use crate::disk;
use crate::report::{Destination, Row, Unable, micros, table};
use crate::setup;
use crate::subject::{Plan, Run, Subject};

/// Servers to set against each other, and how.
#[derive(Debug)]
pub(crate) struct Comparison {
    /// The first is the one that the others stand beside: what fails it ends the run. What another
    /// can't do is told.
    pub(crate) subjects: Vec<Subject>,
    pub(crate) plan: Plan,
    pub(crate) rounds: u8,
    /// A directory on the disk that is measured.
    pub(crate) scratch: TempDir,
    pub(crate) destination: Destination,
}

/// What the rounds of one server under one case came to.
type Rounds = std::result::Result<Vec<Row>, String>;

impl Comparison {
    /// Runs all cases, prints each when it is done, and adds it to the report. Settings of one case
    /// that stand together take turns too.
    ///
    /// # Errors
    ///
    /// If a server can't run a case that it should be able to.
    pub(crate) async fn run(&self, cases: &[Case]) -> Result<()> {
        for settings in cases.chunk_by(|one, next| one.name == next.name) {
            self.settings(settings).await?;
        }
        Ok(())
    }

    async fn settings(&self, cases: &[Case]) -> Result<()> {
        let Some(first) = cases.first() else { return Ok(()) };
        let pool = setup::pool(first);
        let mut all: Vec<Vec<Rounds>> =
            cases.iter().map(|_| self.subjects.iter().map(|_| Ok(Vec::new())).collect()).collect();
        for _ in 0..self.rounds {
            for (case, rounds) in cases.iter().zip(&mut all) {
                self.round(case, &pool, rounds).await.with_context(|| case.to_string())?;
            }
        }
        for (case, rounds) in cases.iter().zip(all) {
            self.tell(case, rounds)?;
        }
        Ok(())
    }

    /// All servers in turn.
    async fn round(&self, case: &Case, pool: &Arc<[Body]>, all: &mut [Rounds]) -> Result<()> {
        let run = Run { case: *case, plan: self.plan, pool: Arc::clone(pool) };
        let mut first: Option<Row> = None;
        let mut before = disk::fdatasync(self.scratch.path())?;
        for (subject, rounds) in self.subjects.iter().zip(all) {
            if let Some(why) = subject.lacks(case) {
                *rounds = Err(why.into());
            }
            let Ok(rows) = rounds else { continue };
            let disk = disk::written_bytes(self.scratch.path())?;
            let measured = subject.measure(&run, first.as_ref()).await.context(subject.name());
            let written = disk::written_bytes(self.scratch.path())?.zip(disk);
            // The disk at its better moment, as nobody knows how it was in between.
            let after = disk::fdatasync(self.scratch.path())?;
            let fdatasync_us = micros(before.min(after));
            before = after;
            match measured {
                Ok(row) => {
                    let written = written.map(|(after, before)| after - before);
                    let to_disk_per_byte = row.per_stored_byte(written);
                    rows.push(Row { to_disk_per_byte, fdatasync_us, ..row });
                }
                Err(error) if subject.is_foreign() => *rounds = Err(format!("{error:#}")),
                Err(error) => return Err(error),
            }
            if first.is_none() {
                first = rounds.as_ref().ok().and_then(|rows| rows.last().cloned());
            }
        }
        Ok(())
    }

    fn tell(&self, case: &Case, all: Vec<Rounds>) -> Result<()> {
        let (mut rows, mut unable) = (Vec::new(), Vec::new());
        for (subject, rounds) in self.subjects.iter().zip(all) {
            match rounds {
                Ok(rounds) => rows.extend(Row::of_rounds(&rounds)),
                Err(why) => unable.push(Unable {
                    case: case.name.into(),
                    setting: case.setting,
                    server: subject.name().into(),
                    why,
                }),
            }
        }
        self.destination.add(|report| {
            for row in &rows {
                report.row(row.clone());
            }
            for unable in &unable {
                report.unable(unable.clone());
            }
        })?;
        let fdatasync_us = rows.first().map_or(0.0, |row| row.fdatasync_us);
        let title = format!("{case}; an append with fdatasync takes {fdatasync_us:.0} µs");
        print!("{}", table::of_case(&title, &rows));
        for Unable { server, why, .. } in &unable {
            println!("  {server}: {why}");
        }
        println!();
        Ok(())
    }
}
