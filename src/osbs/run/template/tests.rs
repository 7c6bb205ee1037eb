#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use proptest::prelude::*;
use serde_json::json;

use super::*;

const TEMPLATE: &str = "\
apiVersion: tekton.dev/v1beta1
kind: PipelineRun
metadata:
  name: '$osbs_pipeline_run_name'
spec:
  serviceAccountName: pipeline
  timeout: ${osbs_buildtime_limit}
  params:
    - {name: user-params, value: '$osbs_user_params_json'}
    - {name: a, value: $(params.x) $$5 $other}
";

fn filled(text: &str, json: &str, version: Version) -> Result<Filled, TemplateError> {
    let variables =
        [("osbs_pipeline_run_name", "x-1"), ("osbs_buildtime_limit", "60s"), ("osbs_user_params_json", json)];
    fill(text, Path::new("/t.yaml"), &variables, "x-1", version)
}

fn refused(text: &str) -> String {
    let error = filled(text, "{}", Version::V1).unwrap_err();
    match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[test]
fn variables_are_replaced_inside_scalars_and_break_out_of_nothing() {
    let hostile = "it's\n- {name: b, value: \"x\"}\n$osbs_pipeline_run_name";
    let Filled { run, unknown } = filled(TEMPLATE, hostile, Version::V1).unwrap();
    assert_eq!(
        run,
        json!({"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": "x-1"},
               "spec": {"taskRunTemplate": {"serviceAccountName": "pipeline"}, "timeouts": {"pipeline": "60s"},
                        "params": [{"name": "user-params", "value": hostile},
                                   {"name": "a", "value": "$(params.x) $5 $other"}]}})
    );
    assert!(unknown.is_empty(), "{unknown:?}");
    let old = filled(TEMPLATE, "{}", Version::V1Beta1).unwrap().run;
    assert_eq!(
        (&old["apiVersion"], &old["spec"]["serviceAccountName"]),
        (&json!("tekton.dev/v1beta1"), &json!("pipeline"))
    );
}

#[test]
fn keys_of_mappings_are_left_alone() {
    let template = format!("{TEMPLATE}  $osbs_pipeline_run_name: 1\n");
    assert_eq!(filled(&template, "{}", Version::V1).unwrap().run["spec"]["$osbs_pipeline_run_name"], 1);
}

#[test]
fn yaml_is_read_as_osbs_client_reads_it() {
    let template = format!(
        "# $osbs_comment\n---\n{TEMPLATE}  read: {{mode: 0400, yes: off, empty: ~, number: 1.5, text: '0400', date: 2024-01-01}}\n  \
         folded: >-\n    a\n    $osbs_buildtime_limit\n  first: &one {{a: b}}\n  second: {{<<: *one}}\n"
    );
    let Filled { run, unknown } = filled(&template, "{}", Version::V1).unwrap();
    let read = json!({"mode": 256, "yes": false, "empty": null, "number": 1.5, "text": "0400", "date": "2024-01-01"});
    assert_eq!(run["spec"]["read"], read);
    assert_eq!((&run["spec"]["folded"], &run["spec"]["second"]), (&json!("a 60s"), &json!({"a": "b"})));
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn a_template_with_a_name_of_its_own_is_refused() {
    let words = "is different than in input data";
    let hint = "write metadata.name: '$osbs_pipeline_run_name' in the template /t.yaml";
    for (name, given) in [("fixed", "fixed"), ("'$osbs_pipeline_run_name-2'", "x-1-2"), ("~", "None"), ("7", "7")] {
        let template = TEMPLATE.replace("'$osbs_pipeline_run_name'", name);
        assert_eq!(refused(&template), format!("Pipeline run name provided 'x-1' {words} '{given}': {hint}"));
    }
    let generated = TEMPLATE.replace("name: '$osbs_pipeline_run_name'", "generateName: x-");
    assert!(refused(&generated).contains("input data 'None'"));
}

#[test]
fn what_is_no_pipeline_run_is_refused_with_the_files_name() {
    let no_run = "the template /t.yaml is no PipelineRun of tekton.dev/v1 or v1beta1: its apiVersion is ";
    for (text, expected) in [
        ("- a\n", "the template /t.yaml is not a mapping".to_owned()),
        ("", "the template /t.yaml is not a mapping".to_owned()),
        ("apiVersion: v1\nkind: Pod\n", format!("{no_run}`v1`, its kind `Pod`")),
        ("apiVersion: tekton.dev/v1\nkind: TaskRun\n", format!("{no_run}`tekton.dev/v1`, its kind `TaskRun`")),
        (
            "apiVersion: tekton.dev/v1alpha1\nkind: PipelineRun\n",
            format!("{no_run}`tekton.dev/v1alpha1`, its kind `PipelineRun`"),
        ),
        ("{}\n", format!("{no_run}``, its kind ``")),
    ] {
        assert_eq!(refused(text), expected);
    }
    let bundle = format!("{TEMPLATE}  pipelineRef: {{name: x, bundle: 'r/b:1'}}\n");
    let expected = "the template /t.yaml has spec.pipelineRef.bundle, which tekton.dev/v1 has nothing for";
    assert_eq!(refused(&bundle), expected);
    assert!(filled(&bundle, "{}", Version::V1Beta1).is_ok());
}

#[test]
fn what_is_no_yaml_of_one_document_is_refused_with_file_and_line() {
    for text in ["a: [", "a: 1\na: 2\n", "a: \tb: c\n- d", "a: *b\n"] {
        let error = refused(text);
        assert!(error.starts_with("the template /t.yaml is not understood: "), "{error}");
        assert!(error.contains("line "), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
    let error = refused(&format!("{TEMPLATE}---\n{TEMPLATE}"));
    assert!(error.contains("document"), "{error}");
}

#[test]
fn bindings_that_servers_drop_are_told_with_their_right_names() {
    let bound = |binding: &str| format!("{TEMPLATE}  workspaces:\n  - name: ws\n    {binding}\n");
    for (binding, given, right) in [
        ("configmap: {name: x}", "configmap", "configMap"),
        ("emptydir: {}", "emptydir", "emptyDir"),
        ("PersistentVolumeClaim: {claimName: x}", "PersistentVolumeClaim", "persistentVolumeClaim"),
    ] {
        let expected = format!(
            "workspace ws in the template /t.yaml has the field `{given}`, which Tekton does not know; it is called `{right}`"
        );
        assert_eq!(refused(&bound(binding)), expected);
    }
    assert!(filled(&bound("configMap: {name: x}"), "{}", Version::V1).is_ok());
}

#[test]
fn variables_that_nobody_knows_are_told_but_not_what_values_say() {
    let template = format!("{TEMPLATE}  a: [\"$osbs_new ${{osbs_other}}x\", $x $(osbs_y), $$osbs_z]\n  b: $osbs_new\n");
    let Filled { run, unknown } = filled(&template, "$osbs_of_value", Version::V1).unwrap();
    assert_eq!(unknown.into_iter().collect::<Vec<_>>(), ["osbs_new", "osbs_other"]);
    assert_eq!(run["spec"]["a"], json!(["$osbs_new ${osbs_other}x", "$x $(osbs_y)", "$osbs_z"]));
}

/// What Python 3.11 makes of the same.
#[test]
fn substitution_is_pythons() {
    let variables = [("a", "1"), ("ab_2", "2"), ("_", "$a")];
    for (text, expected) in [
        ("$a ${a} $$a $ab_2x ${ab_2}x", "1 1 $a $ab_2x 2x"),
        ("$ $! ${ ${} ${a $A é$a", "$ $! ${ ${} ${a $A é1"),
        ("${a b} $aé $$$a$", "${a b} 1é $1$"),
        ("$(params.a) $1", "$(params.a) $1"),
        ("$ſ $K ${ſ} $__a", "$ſ $K ${ſ} $__a"),
        ("$$$$ $$${a}", "$$ $1"),
        ("${a}$a$ab_2", "112"),
        ("$a-$b ${b}$a", "1-$b ${b}1"),
        ("${a\n} $\n", "${a\n} $\n"),
        ("$_ $$_", "$a $_"),
    ] {
        assert_eq!(safe_substitute(text, &variables, &mut BTreeSet::new()), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn texts_without_known_variables_stay(text in r"[$(){}!_a-zé0-9 \n]{0,30}") {
        prop_assume!(!text.contains("$$"));
        prop_assert_eq!(safe_substitute(&text, &[("Z", "1")], &mut BTreeSet::new()), text);
    }

    #[test]
    fn values_never_break_out_of_their_scalar(value in r"\PC{0,20}['\x22\n:#{}\[\]&*!|>%@$-]{0,8}\PC{0,20}", quote in "['\"]?") {
        let text = TEMPLATE.replace("'$osbs_user_params_json'", &format!("{quote}$osbs_user_params_json{quote}"));
        let run = filled(&text, &value, Version::V1).unwrap().run;
        prop_assert_eq!(&run["spec"]["params"][0]["value"], &Value::from(value));
        prop_assert_eq!(run["spec"]["params"].as_array().unwrap().len(), 2);
    }
}
