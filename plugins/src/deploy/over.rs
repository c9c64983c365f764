//! What a deploy goes back over: commits that are live, are not in what is shipped, and change what can not go back.

use super::Deployer;
use super::back::LOOKED_BACK;
use super::plan::Plan;
use super::records::history;
use super::settings::Service;
use super::source::commits;
use commands::act::Act;
use commands::cx::Cx;
use commands::stop::Result;
use commands::text;

/// How many files are named.
const NAMED: usize = 5;

impl Deployer {
    /// What is asked for, and agreed to. Where it goes back over commits that the config calls unsafe, or nobody can tell,
    /// it is a danger: a yes is asked for, to these very files.
    pub(super) async fn act(&self, cx: &Cx, plan: &Plan<'_>) -> Result<Act> {
        let mut act = plan.act();
        let Some(live) = &plan.before.0 else { return Ok(act) };
        let mut from = vec![live.release.commit.clone()];
        // What is in doubt may be live, or have done its work halfway.
        if let Some(first) = live.doubt {
            let tried = history(cx.store(), &plan.target, LOOKED_BACK).await?;
            from.extend(tried.into_iter().filter(|deploy| deploy.number >= first).map(|deploy| deploy.release.commit));
            from.dedup();
        }
        for from in from {
            if let Some(Over { files, says }) = over(cx, plan.service, &plan.release.commit, &from).await
                && !act.says.contains(&says)
            {
                act.says = format!("{} {says}", act.says);
                act.facts.push(("goes back over", files));
                act.danger = true;
            }
        }
        Ok(act)
    }
}

/// Why what was live before a plan can not be put back without anybody's yes; nothing where it can.
pub(super) async fn in_the_way_back(cx: &Cx, plan: &Plan<'_>) -> Option<String> {
    let before = plan.before.0.as_ref()?;
    Some(over(cx, plan.service, &before.release.commit, &plan.release.commit).await?.says)
}

/// What is gone back over.
struct Over {
    /// The files, for the ledger.
    files: String,
    /// A sentence that says so.
    says: String,
}

/// What is gone back over between two commits; nothing where it is safe.
async fn over(cx: &Cx, service: &Service, to: &str, from: &str) -> Option<Over> {
    if service.unsafe_back.is_empty() || to == from {
        return None;
    }
    match commits::files(cx.ports(), &service.repository, to, from, &service.unsafe_back).await {
        Ok(files) if files.is_empty() => None,
        Ok(files) => {
            let named: Vec<_> = files.iter().take(NAMED).map(|file| text::code(file)).collect();
            let more = if files.len() > NAMED { format!(" and {} more", files.len() - NAMED) } else { String::new() };
            let named = named.join(", ");
            let says = format!("That goes back over changes of {named}{more}, which do not go back with it.");
            Some(Over { files: format!("{}{more}", named.replace('`', "")), says })
        }
        Err(why) => {
            let says = format!("Whether that goes back over what can not go back is not known: {why}.");
            Some(Over { files: "not known".to_owned(), says })
        }
    }
}
