//! `/flag export`: flags as a file that goes with the answer.

use super::source::LONGEST;
use super::{Bundle, Known, flagd, own, unleash};
use crate::flags::model::{MARK, SETTINGS, State, setting_name};
use crate::flags::{DECKHAND, Flags};
use commands::cx::Cx;
use commands::reply::{Reply, Tone};
use commands::stop::{Result, Stop};
use commands::text;
use serde::Deserialize;

#[derive(Deserialize)]
struct Said {
    format: Option<String>,
    env: Option<String>,
    like: Option<String>,
    shares: Option<String>,
}

impl Flags {
    pub(crate) async fn export(&self, cx: &Cx) -> Result<Reply> {
        let Said { format, env, like, shares } = cx.args()?;
        let format = format.unwrap_or_else(|| DECKHAND.to_owned());
        let bundle = self.bundle(cx, env.as_deref(), like.as_deref()).await?;
        if bundle.flags.is_empty() {
            return Err(Stop::refuse("There is no such flag, so nothing was written. `/flag list` shows all."));
        }
        let one = || {
            env.as_deref().ok_or_else(|| {
                let first = cx.ports().vocabulary.environments.first().cloned().unwrap_or_default();
                Stop::refuse(format!(
                    "A file for {format} is of one environment, so nothing was written. Add `env:{first}`."
                ))
            })
        };
        let (file, lost) = match format.as_str() {
            "unleash" => (unleash::write(&bundle, one()?), unleash::lost(&bundle)),
            "flagd" => flagd::write(&bundle, one()?, shares.as_deref() == Some("yes")),
            _ => (own::write(&bundle).map_err(anyhow::Error::from)?, Vec::new()),
        };
        let text = serde_json::to_string_pretty(&file).map_err(anyhow::Error::from)?;
        if text.len() > LONGEST {
            return Err(Stop::refuse(format!(
                "All of it takes more than {} MiB, so nothing was written. Add `like:` for a part.",
                LONGEST >> 20
            )));
        }
        // What was asked for, as of which act: the same name is the same file.
        let mark = cx.store().get(MARK).await?;
        let last = mark.and_then(|mark| String::from_utf8_lossy(&mark.value).parse::<u64>().ok()).unwrap_or_default();
        let asked = [env.as_deref(), like.as_deref(), shares.as_deref().filter(|shares| *shares == "yes")];
        let letters = |word: &str| word.chars().filter(char::is_ascii_alphanumeric).take(20).collect::<String>();
        let asked: String = asked.into_iter().flatten().map(|word| format!("-{}", letters(word))).collect();
        let name = format!("flags-{format}{asked}-{last}.json");
        cx.ports().files.keep_picture(&name, text.into()).await?;
        let tone = if lost.is_empty() { Tone::Good } else { Tone::Warn };
        let what = text::plural(bundle.flags.len(), "flag");
        let says = match format.as_str() {
            "flagd" => format!("How {what} stand in an environment, and nothing else of them. {}", lost.join(" ")),
            "unleash" => format!("{what}, as Unleash takes them. {}", lost.join(" ")),
            _ => format!("All that is kept of {what} is in the file."),
        };
        Ok(Reply::card(tone, format!("Export for {format}"), says).file(format!("Flags for {format}"), name))
    }

    /// The flags that fit, as they stand.
    async fn bundle(&self, cx: &Cx, env: Option<&str>, like: Option<&str>) -> Result<Bundle> {
        let snapshot = self.live.get(cx.ports()).await?;
        let like = like.map(|like| like.to_lowercase());
        let mut bundle = Bundle::default();
        for (key, flag) in snapshot.flags.iter() {
            let has = |like: &String| {
                key.to_lowercase().contains(like) || flag.tags.iter().any(|tag| tag.to_lowercase() == *like)
            };
            if like.as_ref().is_none_or(has) {
                bundle.flags.insert(key.clone(), (**flag).clone());
            }
        }
        for environment in cx.ports().vocabulary.environments.iter().filter(|it| env.is_none_or(|env| env == *it)) {
            for (name, setting) in SETTINGS.scan(cx.store(), &setting_name(environment, ""), usize::MAX).await? {
                let Some((_, key)) = name.split_once('/').filter(|(_, key)| bundle.flags.contains_key(*key)) else {
                    continue;
                };
                // Off and nothing else is how every flag begins.
                if setting.value.state.same(&State::default()) {
                    continue;
                }
                let used: Vec<_> = setting.value.state.segments().collect();
                for number in used {
                    if let Some(segment) = snapshot.segments.get(&number) {
                        bundle.segments.insert(number, Known::Whole(segment.clone()));
                    }
                }
                bundle.states.insert((environment.clone(), key.to_owned()), setting.value.state);
            }
        }
        Ok(bundle)
    }
}
