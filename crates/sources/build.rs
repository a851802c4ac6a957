//! Refuses to build a program that could not back up SQLite: its pages are read through `sqlite_dbpage`, which the bundled
//! SQLite has only with a flag that `.cargo/config.toml` sets. Cargo reads that file only when it is started in the project.

const VARIABLE: &str = "LIBSQLITE3_FLAGS";
const FLAG: &str = "-DSQLITE_ENABLE_DBPAGE_VTAB";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    if !std::env::var(VARIABLE).is_ok_and(|flags| flags.split_whitespace().any(|flag| flag == FLAG)) {
        println!(
            "cargo::error=SQLite would lack sqlite_dbpage: run cargo in the project's folder, or set {VARIABLE}={FLAG}"
        );
    }
}
