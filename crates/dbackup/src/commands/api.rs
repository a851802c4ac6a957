//! `dbackup api METHOD PATH`

use reqwest::Method;

use super::resources::{pretty, read_file, text};
use super::runs::{follow, outcome};
use crate::cli::ApiArguments;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::remote::Server;

pub(crate) async fn run(arguments: ApiArguments) -> Result<Outcome, Failure> {
    let ApiArguments { method, path, file, follow: follows } = arguments;
    let method: Method = method
        .to_uppercase()
        .parse()
        .map_err(|_| Failure::usage(format!("'{method}' is no method: GET, POST, PUT, PATCH or DELETE")))?;
    if !path.starts_with("/api/") {
        return Err(Failure::usage(format!("'{path}' is no path of the API: they start with /api/")));
    }
    let body = file.as_deref().map(read_file).transpose()?;
    let server = Server::of_environment()?;
    let answers = server.answers(method, &path, body.as_ref()).await?;
    for answer in &answers {
        output::line(&pretty(answer));
    }
    match answers.first().filter(|_| follows) {
        Some(run) if run["state"].is_string() => Ok(outcome(&follow(&server, &text(&run["id"])).await?)),
        Some(_) => Err(Failure::usage("only a run can be followed, and the answer is none")),
        None => Ok(Outcome::Succeeded),
    }
}
