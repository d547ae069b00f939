//! How little the containers of the compose stack may do, as the engine says it: they are made, and not started.

mod common;

use std::process::Command;

use serde_json::Value;

const PROJECT: &str = "quorate-inspect";
/// Of this image. The others are for who asks for them.
const SERVICES: [&str; 8] = ["secrets", "n1", "n2", "n3", "n4", "n5", "runner1", "runner2"];

fn compose(arguments: &[&str]) -> String {
    let mut command = Command::new("docker-compose");
    command
        .current_dir(common::root())
        .env("COMPOSE_PROJECT_NAME", PROJECT)
        .env("QUORATE_IMAGE", common::IMAGE);
    command.args(["-f", "deploy/compose.yaml", "-f", "deploy/compose.five.yaml"]).args(arguments);
    let output = command.output().expect("docker-compose");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn containers_may_do_little() {
    if let Err(why) = common::image_for_compose() {
        println!("SKIPPED: {why}");
        return;
    }
    let _alone = quorate_chaos::alone(PROJECT).expect("nobody else inspects");
    compose(&["down", "--volumes"]);
    // One by one: what waits for another one to be well would wait for ever.
    for service in SERVICES {
        compose(&["up", "--no-start", "--no-deps", service]);
    }
    let containers: Vec<String> = compose(&["ps", "-q"]).lines().map(str::to_owned).collect();
    let inspected = Command::new("docker").arg("inspect").args(&containers).output().expect("docker");
    compose(&["down", "--volumes"]);
    let inspected: Vec<Value> = serde_json::from_slice(&inspected.stdout).expect("a list");
    let found: Vec<&str> = inspected
        .iter()
        .filter_map(|one| one["Config"]["Labels"]["com.docker.compose.service"].as_str())
        .collect();
    assert!(SERVICES.iter().all(|service| found.contains(service)), "{found:?}");
    for one in &inspected {
        let (name, host, config) = (&one["Name"], &one["HostConfig"], &one["Config"]);
        assert_eq!(host["ReadonlyRootfs"], true, "{name}");
        assert_eq!(host["CapDrop"], serde_json::json!(["ALL"]), "{name}");
        assert_eq!((&host["CapAdd"], &host["Privileged"]), (&Value::Null, &Value::Bool(false)), "{name}");
        assert_eq!(host["SecurityOpt"], serde_json::json!(["no-new-privileges:true"]), "{name}");
        assert!(host["PidsLimit"].as_i64().is_some_and(|most| most > 0), "{name}: {}", host["PidsLimit"]);
        assert!(host["NetworkMode"] != "host" && host["PidMode"] == "", "{name}");
        let user = config["User"].as_str().unwrap_or_default();
        assert!(!["", "0", "root"].contains(&user.split(':').next().unwrap_or_default()), "{name}: {user}");
        let is_once = config["Labels"]["com.docker.compose.service"] == "secrets";
        assert!(
            is_once || host["Memory"].as_i64().is_some_and(|most| most > 0),
            "{name}: {}",
            host["Memory"]
        );
        // What clients call, on this machine alone; no peer port.
        for (port, at) in host["PortBindings"].as_object().into_iter().flatten() {
            assert_eq!((port.as_str(), &at[0]["HostIp"]), ("8080/tcp", &"127.0.0.1".into()), "{name}");
        }
        // A dump would have keys and tokens.
        let core = serde_json::json!({"Name": "core", "Hard": 0, "Soft": 0});
        assert!(
            host["Ulimits"].as_array().is_some_and(|all| all.contains(&core)),
            "{name}: {}",
            host["Ulimits"]
        );
        // Volumes with names: `down` would leave others behind.
        for mount in one["Mounts"].as_array().into_iter().flatten() {
            let volume = mount["Name"].as_str().unwrap_or_default();
            assert!(
                mount["Type"] == "volume" && volume.starts_with(&format!("{PROJECT}_")),
                "{name}: {mount}"
            );
        }
        // Keys of its own, and nobody else's.
        let volumes =
            one["Mounts"].as_array().into_iter().flatten().filter_map(|mount| mount["Name"].as_str());
        let keys: Vec<&str> = volumes.filter(|volume| volume.ends_with("-tls")).collect();
        let service = config["Labels"]["com.docker.compose.service"].as_str().expect("a service");
        if !is_once {
            let own = format!("{PROJECT}_{service}-tls");
            let own: &[&str] = if service.starts_with('n') { &[&own] } else { &[] };
            assert_eq!(keys, own, "{name}");
        }
        // Files with secrets, and none itself.
        for variable in config["Env"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let (setting, value) = variable.split_once('=').unwrap_or_default();
            let is_secret = ["TOKEN", "KEY", "PASSWORD"].iter().any(|word| setting.contains(word));
            let is_none = value.is_empty() || value.starts_with("/etc/quorate/");
            assert!(!is_secret || is_none, "{name}: {variable}");
        }
    }
}

#[test]
fn who_opens_the_nodes_to_others_does_not_open_what_watches_them() {
    if !common::succeeds("docker-compose", &["version"]) {
        println!("SKIPPED: docker-compose is missing");
        return;
    }
    let config = |open: &[&str]| {
        let mut command = Command::new("docker-compose");
        command.current_dir(common::root()).args(["-f", "deploy/compose.yaml", "config"]);
        command.envs(open.iter().map(|variable| (variable, "0.0.0.0")));
        let shown = String::from_utf8(command.output().expect("docker-compose").stdout).expect("text");
        shown.matches("- 0.0.0.0:").count()
    };
    assert_eq!(config(&["HTTP_BIND"]), 3);
    assert_eq!(config(&["MONITORING_BIND"]), 2);
}
