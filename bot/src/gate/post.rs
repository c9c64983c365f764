//! What plugins say to people who are not waiting for an answer: cleaned, dressed, and on its way through the outbox.

use super::buttons::Dresser;
use crate::outbox::{self, Outgoing};
use chrono::{DateTime, Utc};
use commands::cx::{Outbox, Thread};
use commands::ledger::Place;
use commands::redact::Redactor;
use commands::reply::Reply;
use commands::store::Batch;

/// The outbox for plugins: what they say is cleaned of secrets, and its buttons are named.
pub struct Post {
    /// What takes secrets out of texts.
    pub redactor: Redactor,
}

impl Outbox for Post {
    fn stage(&self, batch: &mut Batch, at: DateTime<Utc>, place: &Place, mut reply: Reply) -> anyhow::Result<()> {
        self.ready(batch, at, &mut reply)?;
        outbox::stage(batch, &Outgoing::post(at, &*place.platform, &*place.channel, reply))
    }

    fn stage_thread(
        &self,
        batch: &mut Batch,
        at: DateTime<Utc>,
        place: &Place,
        mut reply: Reply,
        mut thread: Thread,
    ) -> anyhow::Result<()> {
        self.ready(batch, at, &mut reply)?;
        thread.title = self.redactor.redact(&thread.title).into_owned();
        outbox::stage(batch, &Outgoing::post(at, &*place.platform, &*place.channel, reply).with(thread))
    }

    fn stage_under(
        &self,
        batch: &mut Batch,
        at: DateTime<Utc>,
        message: &Place,
        title: &str,
        mut reply: Reply,
    ) -> anyhow::Result<()> {
        self.ready(batch, at, &mut reply)?;
        let title = self.redactor.redact(title).into_owned();
        outbox::stage(batch, &Outgoing::under(at, message.clone(), title, reply))
    }

    fn stage_edit(
        &self,
        batch: &mut Batch,
        at: DateTime<Utc>,
        message: &Place,
        mut reply: Reply,
    ) -> anyhow::Result<()> {
        self.ready(batch, at, &mut reply)?;
        outbox::stage(batch, &Outgoing::edit(at, message.clone(), reply))
    }
}

impl Post {
    fn ready(&self, batch: &mut Batch, at: DateTime<Utc>, reply: &mut Reply) -> anyhow::Result<()> {
        super::redact(reply, |text| self.redactor.redact(text).into_owned());
        Dresser::default().dress(reply, batch, at)
    }
}
