//! Tests of a connection, step by step.

use serde::Serialize;

/// A step that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// What was tried: `token`, `write`, ...
    pub name: &'static str,
    /// How it went.
    #[serde(flatten)]
    pub result: StepResult,
}

/// How a step went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "camelCase")]
pub enum StepResult {
    /// It worked.
    Passed {
        /// What was found.
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// It did not.
    Failed {
        /// Why, and what to do.
        message: String,
    },
    /// It was not tried, because an earlier one failed.
    Skipped,
}

/// Takes steps in order, each told as soon as it is known. After a failure the rest is skipped.
pub struct Steps<'a> {
    on_step: &'a (dyn Fn(Step) + Sync),
    failed: bool,
}

impl<'a> Steps<'a> {
    /// None taken yet.
    pub fn new(on_step: &'a (dyn Fn(Step) + Sync)) -> Self {
        Self { on_step, failed: false }
    }

    /// Takes a step that counts: gives what it gave, unless it failed or an earlier one had.
    pub async fn take<T, E: std::fmt::Display>(
        &mut self,
        name: &'static str,
        step: impl Future<Output = Result<(T, Option<String>), E>>,
    ) -> Option<T> {
        if self.failed {
            (self.on_step)(Step { name, result: StepResult::Skipped });
            return None;
        }
        match step.await {
            Ok((value, detail)) => {
                (self.on_step)(Step { name, result: StepResult::Passed { detail } });
                Some(value)
            }
            Err(error) => {
                self.failed = true;
                (self.on_step)(Step { name, result: StepResult::Failed { message: error.to_string() } });
                None
            }
        }
    }

    /// Whether every step has passed.
    pub fn passed(&self) -> bool {
        !self.failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_flat_json() {
        let json = |result| serde_json::to_string(&Step { name: "write", result }).unwrap();
        assert_eq!(json(StepResult::Skipped), r#"{"name":"write","result":"skipped"}"#);
        assert_eq!(json(StepResult::Passed { detail: None }), r#"{"name":"write","result":"passed"}"#);
        let failed = StepResult::Failed { message: "full".to_owned() };
        assert_eq!(json(failed), r#"{"name":"write","result":"failed","message":"full"}"#);
    }
}
