//! What a process counts, read from its management port as a monitoring system would.

use std::collections::BTreeMap;

use crate::process::Process;

/// The values of one metric by its label's value; `""` for one without labels. Empty when the process
/// does not answer or has not counted it yet.
pub async fn by_label(process: &Process, name: &str) -> BTreeMap<String, f64> {
    let url = format!("http://{}/metrics", process.address("management"));
    let Ok(answer) = reqwest::get(&url).await else { return BTreeMap::new() };
    let text = answer.text().await.unwrap_or_default();
    text.lines().filter_map(|line| sample(line, name)).collect()
}

/// A metric without labels.
pub async fn value(process: &Process, name: &str) -> Option<f64> {
    by_label(process, name).await.remove("")
}

fn sample(line: &str, name: &str) -> Option<(String, f64)> {
    let rest = line.strip_prefix(name)?;
    if !rest.starts_with([' ', '{']) {
        return None;
    }
    let (labels, value) = rest.rsplit_once(' ')?;
    let label = labels.split('"').nth(1).unwrap_or_default();
    Some((label.to_owned(), value.parse().ok()?))
}
