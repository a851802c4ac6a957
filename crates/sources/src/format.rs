//! How a source writes its databases: the innermost layer of a backup.

/// What the dumps of an adapter are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DumpFormat {
    /// The ending of a backup's name before those of the other layers, without its dot. No two adapters have the same.
    pub ending: &'static str,
    /// The bytes that every dump starts with.
    pub magic: &'static [u8],
    /// How a dump is restored where dbackup is not.
    pub by_hand: ByHand,
}

/// The stock command that restores a dump, for the recovery sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByHand {
    /// What takes the dump from a shell's standard input: `| pg_restore -d postgres`, `> restored.db`.
    pub command: &'static str,
    /// What is needed for it, and what to know, as sentences.
    pub notes: &'static [&'static str],
    /// A target for `dbackup restore`: `postgres://USER@HOST/DATABASE`.
    pub target: &'static str,
}
