//! stub
#![allow(missing_docs)]
use std::collections::BTreeMap;
use std::path::Path;
use serde::Serialize;
use super::BuildRequest;
use super::findings::Finding;
use crate::koji::questions::{Answers, Questions};
#[derive(Debug, Serialize)]
pub struct FileReport { pub labels: BTreeMap<String, String>, pub base_images: Vec<String>, pub findings: Vec<Finding> }
pub fn check_files(_root: &Path, _request: &BuildRequest) -> FileReport { FileReport { labels: BTreeMap::new(), base_images: vec![], findings: vec![] } }
pub fn check_hub(_a: &Answers, _r: &BuildRequest, _f: &FileReport) -> Vec<Finding> { vec![] }
pub fn questions(r: &BuildRequest, _f: &FileReport) -> Questions { Questions { target: r.target.clone(), package: None, nvr: None } }
