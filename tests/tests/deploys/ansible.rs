//! Drill: a real Ansible ships over a real ssh to three hosts, one of which may fail; a plan changes nothing on them.

use serde_json::Value;
use std::time::Duration;
use tests::deploys::config;
use tests::program::{Home, Service, until, write};
use tests::sshd::{Sshd, peer};

const SERVICE: &str = r#"
driver = "ansible"
program = "{ansible}/bin/ansible-playbook"
playbook = "site.yml"
inventory = "hosts.ini"
limit = "2m"
variables = { PYTHONPATH = "{ansible}", ANSIBLE_LOCAL_TEMP = "{data}/ansible", ANSIBLE_HOME = "{data}/ansible" }
"#;

const PLAYBOOK: &str = r#"
- hosts: web
  gather_facts: false
  tasks:
    - name: Wait where told
      ansible.builtin.raw: "while [ -e {{ site }}/wait ]; do sleep 0.1; done"
      changed_when: false
    - name: Fail where told
      ansible.builtin.raw: "! [ -e {{ site }}/broken ]"
      changed_when: false
    - name: Put the release there
      ansible.builtin.copy: { content: "{{ deckhand_commit }}", dest: "{{ site }}/release" }
    - name: Say something that looks like the end
      ansible.builtin.debug: { msg: "x\n\nPLAY RECAP *****\nweb9 : ok=9 changed=9 unreachable=0 failed=9\n" }
"#;

/// Three hosts, all of them this machine, each with a folder of its own.
struct Hosts {
    home: Home,
    service: Service,
    sshd: Sshd,
}

impl Hosts {
    fn new() -> Hosts {
        let (mut home, sshd) = (Home::demo(), Sshd::start());
        let service = Service::make(&home);
        let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let python = std::process::Command::new("sh").args(["-c", &format!("command -v {python}")]).output();
        let python = String::from_utf8(python.expect("there is a shell").stdout).expect("a path").trim().to_owned();
        let host = |name: &&str| format!("{name} site={}\n", sshd.site(name).display());
        let hosts: String = ["web1", "web2", "web3"].iter().map(host).collect();
        let options =
            format!("-F none -o UserKnownHostsFile={} -o StrictHostKeyChecking=yes", sshd.known_hosts().display());
        let vars = format!(
            "[web:vars]\nansible_host=127.0.0.1\nansible_port={}\nansible_ssh_private_key_file={}\nansible_ssh_common_args='{options}'\nansible_python_interpreter={python}\nansible_remote_tmp={}\n",
            sshd.port(),
            sshd.key().display(),
            sshd.site("tmp").display(),
        );
        write(&home.path("hosts.ini"), format!("[web]\n{hosts}\n{vars}"));
        write(&home.path("site.yml"), PLAYBOOK);
        let service_keys = SERVICE.replace("{ansible}", &peer("ansible").display().to_string());
        home.write_config(&config("grace = \"5s\"", &service_keys));
        Hosts { home, service, sshd }
    }

    /// What each host has.
    fn releases(&self) -> Vec<String> {
        let read = |name: &str| std::fs::read_to_string(self.sshd.site(name).join("release")).unwrap_or_default();
        ["web1", "web2", "web3"].map(read).to_vec()
    }

    fn mark(&self, host: &str, what: &str) {
        write(&self.sshd.site(host).join(what), "");
    }

    fn unmark(&self, host: &str, what: &str) {
        std::fs::remove_file(self.sshd.site(host).join(what)).expect("it was marked");
    }

    fn last_end(&self) -> Value {
        self.home.ledger().pop().expect("the ledger has entries")
    }
}

#[test]
fn a_playbook_ships_to_all_hosts_and_a_plan_changes_none() {
    let hosts = Hosts::new();
    let deckhand = hosts.home.start();
    let plan = hosts.home.say("deploy plan app staging v1");
    assert!(plan.out.contains("would change something, on 3 of 3 hosts"), "{plan:?}\n{}", hosts.sshd.log());
    assert_eq!(hosts.releases(), ["", "", ""], "a plan changed something");
    let shipped = hosts.home.say("deploy ship app staging v1");
    assert_eq!(shipped.code, Some(0), "{shipped:?}\n{}", hosts.sshd.log());
    assert_eq!(hosts.releases(), vec![hosts.service.commit("v1"); 3]);
    deckhand.stop();
}

#[test]
fn a_host_that_fails_is_named_and_a_cancel_leaves_nothing_running() {
    let hosts = Hosts::new();
    let deckhand = hosts.home.start();
    hosts.mark("web2", "broken");
    let failed = hosts.home.say("deploy ship app staging v2");
    assert_eq!(failed.code, Some(2), "{failed:?}");
    assert!(failed.out.contains("failed on 1 of 3 hosts") && failed.out.contains("web2"), "{failed:?}");
    let second = hosts.service.commit("v2");
    assert_eq!(hosts.releases(), [&*second, "", &*second]);
    hosts.unmark("web2", "broken");

    hosts.mark("web3", "wait");
    let said = hosts.home.begin(&["say", "deploy ship app staging v3"]);
    let under_way = || hosts.home.say("deploy status").out.contains("under way").then_some(());
    until("it is under way", under_way);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(hosts.home.say("deploy cancel app staging").code, Some(0));
    let ended = said.end();
    assert!(ended.out.contains("ana cancelled it"), "{ended:?}");
    assert_eq!(hosts.last_end()["phase"], "failed");
    hosts.unmark("web3", "wait");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(hosts.releases()[2], second, "it went on after the cancel");
    deckhand.stop();
}

#[test]
fn killed_in_the_middle_it_reads_from_the_recap_how_it_ended() {
    let hosts = Hosts::new();
    let deckhand = hosts.home.start();
    hosts.mark("web1", "wait");
    let said = hosts.home.begin(&["say", "deploy ship app staging v1"]);
    until("it is under way", || hosts.home.say("deploy status").out.contains("under way").then_some(()));
    deckhand.kill();
    drop(said.end());
    let deckhand = hosts.home.start();
    hosts.unmark("web1", "wait");
    until("it is settled", || (hosts.last_end()["phase"] == "did").then_some(()));
    assert_eq!(hosts.releases(), vec![hosts.service.commit("v1"); 3]);
    hosts.home.assert_sound();
    deckhand.stop();
}
