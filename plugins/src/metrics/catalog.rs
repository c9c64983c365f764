//! Every measure there is, found by its name.

use super::Metrics;
use super::asked::{Asked, Said};
use super::define::{DEFINED, Defined};
use super::settings::Measure;
use commands::cx::Ports;
use commands::stop::{Result, Stop};
use commands::text;
use std::sync::Arc;

/// How there comes to be a measure.
pub const NONE: &str =
    "The operator writes each as a section `[metrics.measures.NAME]`; `/metrics define` makes one from chat.";

/// The measures, in the order in which they are listed.
pub struct Catalog {
    /// All of them: those of the config, and then those that were defined in chat.
    pub measures: Vec<Arc<Measure>>,
    /// Those that were defined in chat and can not be asked for now, each with why: the rest of a sentence about it.
    lost: Vec<(String, String)>,
}

impl Metrics {
    /// Every measure there is at this moment.
    ///
    /// # Errors
    /// When the store can not be read.
    pub async fn catalog(&self, ports: &Ports) -> anyhow::Result<Catalog> {
        let mut catalog = Catalog { measures: self.settings.measures.clone(), lost: Vec::new() };
        for (name, found) in DEFINED.scan(&*ports.store, "", usize::MAX).await? {
            let Defined { definition, who, .. } = found.value;
            match Measure::of(&name, &definition, &self.settings.sources) {
                _ if self.settings.measure(&name).is_some() => {
                    let why = "stands in the config as well, which counts".to_owned();
                    catalog.lost.push((name, why));
                }
                Some(measure) => catalog.measures.push(Arc::new(Measure { defined_by: Some(who), ..measure })),
                None => {
                    let source = text::code(&definition.source);
                    catalog
                        .lost
                        .push((name, format!("is asked from {source}, which the config does not have any more")));
                }
            }
        }
        Ok(catalog)
    }

    /// The measure of this name, with everything filled in.
    ///
    /// # Errors
    /// A refusal that says what there is, or what is missing.
    pub async fn asked(&self, ports: &Ports, name: &str, said: &Said) -> Result<Asked> {
        Asked::of(self.catalog(ports).await?.measure(name)?, said, ports)
    }
}

impl Catalog {
    /// The measure of this name.
    ///
    /// # Errors
    /// A refusal that says what there is.
    pub fn measure(&self, name: &str) -> Result<&Arc<Measure>> {
        self.measures.iter().find(|measure| measure.name == name).ok_or_else(|| self.unknown(name))
    }

    /// What was defined in chat and can not be asked for now, in sentences.
    pub fn lost(&self) -> String {
        let told = |(name, why): &(String, String)| format!("{} was defined in chat, and {why}.", text::code(name));
        self.lost.iter().map(told).collect::<Vec<_>>().join(" ")
    }

    fn unknown(&self, name: &str) -> Stop {
        if let Some((_, why)) = self.lost.iter().find(|(lost, _)| lost == name) {
            let name = text::code(name);
            return Stop::refuse(format!(
                "{name} was defined in chat, and {why}. Say `/metrics define` with another `source`, or `/metrics undefine`."
            ));
        }
        let names = self.measures.iter().map(|measure| measure.name.as_str());
        let instead = match (config::suggest::suggest(name, names), self.measures.is_empty()) {
            (Some(meant), _) => format!("Did you mean {}?", text::code(meant)),
            (None, false) => "`/metrics list` shows what there is.".to_owned(),
            (None, true) => NONE.to_owned(),
        };
        Stop::refuse(format!("There is no measure {}. {instead}", text::code(name)))
    }
}
