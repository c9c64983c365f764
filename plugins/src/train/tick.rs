//! What happens to trains without anybody asking: they are announced, and leave.

use super::depart::leaves;
use super::records::State;
use super::settings::{OnHold, Train};
use super::{Standing, Station, act, edit, show};
use commands::cx::{Cx, Saying};
use commands::stop::{Result, Stop};
use config::DECKHAND;

impl Station {
    /// Does what is due for a train: once a minute.
    pub(super) async fn tick(&self, cx: &Cx, name: &str) -> Result<()> {
        let mut it = self.standing(cx, name).await?;
        let Some(schedule) = &it.train.schedule else { return Ok(()) };
        if it.state.leaving.is_some() {
            return Ok(());
        }
        let line = schedule.to_string();
        let due = it.state.due.as_ref().filter(|(_, from)| *from == line).map(|(due, _)| *due);
        let Some(due) = due else {
            // It is new, or its schedule is.
            it.state.due = schedule.next(cx.now()).map(|due| (due, line));
            it.state.announced = None;
            return edit(cx, &it, act("train.schedule", it.train, String::new()), None).await;
        };
        if cx.now() < due {
            let before =
                it.train.announce.iter().filter(|before| (due - cx.now()).to_std().is_ok_and(|left| left <= **before));
            let Some(seconds) = before.map(std::time::Duration::as_secs).min() else { return Ok(()) };
            if it.state.announced.is_some_and(|told| told <= seconds) {
                return Ok(());
            }
            it.state.announced = Some(seconds);
            let told = show::announced(cx, it.train, &it.state);
            return edit(cx, &it, act("train.announce", it.train, String::new()), Some(told)).await;
        }
        if it.state.closed.is_some() {
            return self.miss(cx, it, "It should leave now, and does not.").await;
        }
        if it.state.hold.is_some() && it.train.on_hold == OnHold::Wait {
            if it.state.told_held {
                return Ok(());
            }
            it.state.told_held = true;
            let told = show::train(cx, it.train, &it.state, "It should leave now, and waits until it is opened again.")
                .button(show::open_again(it.train));
            return edit(cx, &it, act("train.wait", it.train, String::new()), Some(told)).await;
        }
        if !it.state.aboard.iter().any(|entry| leaves(it.train, &it.state, entry)) {
            return self
                .miss(cx, it, "It should leave now, and nothing aboard is ready: all of it stays for the next time.")
                .await;
        }
        let saying = Saying {
            who: DECKHAND.to_owned(),
            places: it.train.places.clone(),
            line: format!("train go train:{name}"),
            reason: "by schedule".to_owned(),
            once: format!("train/{name}/{}", due.timestamp()),
            from: None,
        };
        match cx.say(saying).await {
            Ok(_) | Err(Stop::Refused(_)) => {}
            // It goes on at the next start.
            Err(Stop::Left(_)) => return Ok(()),
            Err(broken) => return Err(broken),
        }
        // Whatever was in the way was told: it is tried again at the next time, and not every minute.
        let it = self.standing(cx, name).await?;
        let same = it.state.due.as_ref().is_some_and(|(then, _)| *then == due);
        if same && it.state.leaving.is_none() { self.miss(cx, it, "It did not leave.").await } else { Ok(()) }
    }

    /// Lets a departure pass; those who are aboard are told.
    async fn miss(&self, cx: &Cx, mut it: Standing<'_>, says: &str) -> Result<()> {
        self.next(cx, it.train, &mut it.state);
        let told = (!it.state.aboard.is_empty()).then(|| show::train(cx, it.train, &it.state, says));
        edit(cx, &it, act("train.miss", it.train, String::new()), told).await
    }

    /// Sets when it leaves next, where it was due by now.
    pub(super) fn next(&self, cx: &Cx, train: &Train, state: &mut State) {
        let Some((due, schedule)) = state.due.as_ref().zip(train.schedule.as_ref()) else { return };
        if due.0 <= cx.now() {
            state.due = schedule.next(cx.now()).map(|next| (next, due.1.clone()));
            state.announced = None;
            state.told_held = false;
        }
    }
}
