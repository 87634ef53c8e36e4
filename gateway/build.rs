//! Makes sure that there is a folder of pages to embed: without Node the build still works, and the
//! page then says how to build it.

use std::path::Path;

fn main() -> std::io::Result<()> {
    println!("cargo:rerun-if-changed=../web/dist");
    let folder = Path::new("../web/dist");
    if !folder.exists() {
        std::fs::create_dir_all(folder)?;
    }
    Ok(())
}
