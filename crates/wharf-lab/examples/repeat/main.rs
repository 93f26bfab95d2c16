//! Writes everything that runs of every shape leave behind into a folder: captures,
//! summaries and journals. Two folders of one seed have the same bytes, whoever
//! compiled it and however: `./ci.sh lab` compares debug and release builds.
//!
//! `cargo run -p wharf-lab --example repeat -- FOLDER [SEED]`

mod runs;

use std::error::Error;
use std::fs;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let folder = words.next().ok_or("write a folder, and perhaps a seed")?;
    let seed = words.next().map_or(Ok(7), |word| word.parse())?;
    let (mut files, mut bytes) = (0, 0);
    for (name, shape) in runs::shapes() {
        let place = Path::new(&folder).join(name);
        fs::create_dir_all(&place)?;
        for (file, content) in runs::run(shape, seed)? {
            fs::write(place.join(file), &content)?;
            files += 1;
            bytes += content.len();
        }
    }
    println!("seed {seed}: {files} files, {bytes} bytes in {folder}");
    Ok(())
}
