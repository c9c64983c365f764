//! What becomes of a run that Deckhand was stopped in the middle of: its program is waited for, and never started again.

use super::records::{LAST, RUNS, Run, State, name};
use super::work::{Ended, keep};
use super::{Runbooks, show};
use crate::program::{self, Board, OnStop, Shown, WaitedOut};
use commands::act::Permit;
use commands::cx::Cx;
use commands::ledger::Entry;
use commands::reply::Reply;
use commands::stop::{Result, Stop};

impl Runbooks {
    /// Waits for the program if it is still there, and ends the act with what is known.
    pub(super) async fn settle(&self, cx: &Cx, doing: Entry) -> Result<Reply> {
        let noted = RUNS.get(cx.store(), name(doing.seq)).await?.map(|run| run.value);
        // The record of what its undo rests on is named by what it was a run of.
        let target =
            doing.draft.state.as_deref().and_then(|key| key.strip_prefix(&LAST.key(""))).unwrap_or_default().to_owned();
        let verb = doing.draft.verb.clone();
        let task = verb.split_once('.').map_or("", |(_, task)| task);
        cx.resume(doing, async |permit| {
            let number = permit.act();
            let Some(run) = noted else {
                // The note comes before the program.
                let how = "Deckhand was stopped before its program was started, so nothing was done";
                permit.failed(how);
                return Ok(show::settled(task, "", number, how));
            };
            let ended = self.settle_run(cx, permit, &target, &run).await?;
            let reply = show::settled(task, &run.said, number, &ended.how).output(program::tail(cx, &run.log).await);
            let reply = reply.file(format!("Log of #{number}"), run.log.clone());
            keep(cx, permit, &target, run, &ended)?;
            Ok(reply)
        })
        .await
    }

    async fn settle_run(&self, cx: &Cx, permit: &Permit, target: &str, run: &Run) -> Result<Ended> {
        let registered = self.under_way.register(&target.to_owned(), run.number);
        let cancel = &registered.cancel;
        let noted = match &run.state {
            State::Running(group) => Some(group.clone()),
            State::Starting | State::Ended { .. } => None,
        };
        let processes = &cx.ports().processes;
        // The kill may have come between the program's start and the note of its group.
        let group = processes.writing_to(&run.log).or(noted);
        let Some(group) = group else {
            let begun = cx.ports().files.tail(&run.log, 1).await?.is_some();
            return Ok(unknown(if begun { "it has ended" } else { "it was not started, or has written nothing" }));
        };
        let left = (run.until - cx.now()).to_std().unwrap_or_default();
        let end = program::wait_out(cx.ports(), permit, vec![group], left, self.settings.grace, &cancel.token);
        let draw = |_, _: &Shown| show::waited_for(&run.task, &run.said, run.number);
        match program::follow(cx, &Board::default(), OnStop::HandOver, &cancel.token, end, draw).await {
            None => Err(Stop::Left(Box::new(show::left_again(&run.task, &run.said, run.number)))),
            Some(WaitedOut::Ended) => Ok(unknown("it has ended")),
            Some(WaitedOut::Cancelled) => Ok(Ended { good: false, how: cancel.why("program", None) }),
            Some(WaitedOut::TooLong) => {
                Ok(Ended { good: false, how: "Its program took too long, and was ended".to_owned() })
            }
        }
    }
}

/// Nobody was there to be told the exit status.
fn unknown(what: &str) -> Ended {
    let how = format!(
        "Deckhand was stopped in the middle of it, and has not run it again: {what}, and how is not known. Look at its log, and say it again if it is still wanted"
    );
    Ended { good: false, how }
}
