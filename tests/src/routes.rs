//! A table of routes, each with what answers it: for the stand-ins of services that speak REST.

use std::collections::HashMap;

/// A route, by its method and the template of its path, as the service's OpenAPI description names it.
pub struct Route<H> {
    /// Its method.
    pub method: &'static str,
    /// The template of its path.
    pub template: &'static str,
    /// What answers it.
    pub handler: H,
}

/// A line of the table.
pub const fn route<H: Copy>(method: &'static str, template: &'static str, handler: H) -> Route<H> {
    Route { method, template, handler }
}

/// The route of a request, and the parameters in its path.
pub fn find<H>(
    routes: &'static [Route<H>],
    method: &str,
    path: &str,
) -> Option<(&'static Route<H>, HashMap<&'static str, String>)> {
    let mut candidates = routes.iter().filter(|route| route.method == method);
    candidates.find_map(|route| Some((route, parameters(route.template, path)?)))
}

fn parameters(template: &'static str, path: &str) -> Option<HashMap<&'static str, String>> {
    let (wanted, given): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    if wanted.len() != given.len() {
        return None;
    }
    let mut found = HashMap::new();
    for (wanted, given) in wanted.into_iter().zip(given) {
        match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => _ = found.insert(name, given.to_owned()),
            None if wanted == given => {}
            None => return None,
        }
    }
    Some(found)
}
