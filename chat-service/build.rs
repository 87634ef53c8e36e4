//! Lists the migrations for `src/store/migrations.rs`, and makes cargo notice new ones.

use std::fmt::Write as _;
use std::path::Path;

#[expect(clippy::disallowed_methods, reason = "so a build script is told its folders")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=migrations");
    let (from, to) = (std::env::var("CARGO_MANIFEST_DIR")?, std::env::var("OUT_DIR")?);
    for database in ["postgres", "sqlite"] {
        let folder = Path::new(&from).join("migrations").join(database);
        let files: Result<Vec<_>, _> = std::fs::read_dir(folder)?.collect();
        let mut files: Vec<_> = files?.iter().map(std::fs::DirEntry::path).collect();
        files.sort();
        let mut list = "&[\n".to_owned();
        let mut versions = std::collections::HashSet::new();
        for file in files {
            // 0001_what_it_does.sql
            let name = file.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
            let (version, description) = name.split_once('_').ok_or("a name without a version")?;
            let (version, description) = (version.parse::<u32>()?, description.replace('_', " "));
            if !versions.insert(version) {
                return Err(
                    format!("two migrations for {database} have the version {version}").into()
                );
            }
            let path = file.to_str().ok_or("a path that is not UTF-8")?;
            writeln!(list, "    ({version}, {description:?}, include_str!({path:?})),")?;
        }
        list.push_str("]\n");
        std::fs::write(Path::new(&to).join(format!("{database}_migrations.rs")), list)?;
    }
    Ok(())
}
