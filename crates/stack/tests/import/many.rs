//! Many programs, and many of one.

use supervisor_stack::Format;

use super::{made, read};

#[test]
fn replicas_have_their_own_logs_and_numbers() {
    let text = "processes:\n  a: {command: './a $$PC_PROC_NAME', log_location: a.log, replicas: 3}\n  b: {command: './b $PC_REPLICA_NUM'}\n";
    let made = made(Format::ProcessCompose, "pc.yaml", text);
    assert!(made.text.contains("log: {file: \"a.log.${replica}\"}"), "{}", made.text);
    assert!(made.text.contains("{name: PC_PROC_NAME, value: a}"), "{}", made.text);
    assert!(made.text.contains("{name: PC_REPLICA_NUM, value: \"0\"}"), "{}", made.text);
    assert!(made.left.is_empty(), "{:?}", made.left);
}

#[test]
fn replicas_that_ask_for_their_number_get_it() {
    let text = "processes:\n  a: {command: './a --port 80{{.PC_REPLICA_NUM}} $$PC_REPLICA_NUM', log_location: 'a{PC_REPLICA_NUM}.log', \
                replicas: 2}\n  b: {command: ./b, depends_on: {a: {condition: process_started}}}\n  a-0: {command: ./c}\n";
    let made = made(Format::ProcessCompose, "pc.yaml", text);
    for part in [
        "- name: a-1\n    kind: process\n    role: job\n    command: [bash, -c, \"./a --port 801 $PC_REPLICA_NUM\"]",
        "{name: PC_REPLICA_NUM, value: \"1\"}",
        "log: {file: a1.log}",
        "- {name: a-0, condition: started}\n      - {name: a-1, condition: started}",
        // It has a name that the first of the others has.
        "- name: a-0-2\n",
    ] {
        assert!(made.text.contains(part), "{part}\n{}", made.text);
    }
    let keys: Vec<_> = made.left.iter().map(|left| left.key.as_str()).collect();
    assert_eq!(keys, ["a-0"]);
}

/// A small file can ask for many programs.
#[test]
fn more_programs_than_a_stack_can_have_are_refused_where_they_stand() {
    let refused = "with this one there are more than 10000 programs in what was read";
    for command in ["/a", "/a %(process_num)s"] {
        let program = |at: u32| format!("[program:\u{e9}{at}]\ncommand={command}\nnumprocs=1000\n");
        let text = (0..400).fold(String::new(), |text, at| text + &program(at));
        let error = read(Format::Supervisord, &[("s.conf", &text)]).unwrap_err();
        assert_eq!(error.line, 31, "{error}");
        assert!(error.message.starts_with(refused), "{error}");
    }
    for command in ["./a", "./a {{.PC_REPLICA_NUM}}"] {
        let process = |at: u32| format!("  p{at}: {{command: '{command}', replicas: 1000}}\n");
        let text = (0..400).fold("processes:\n".to_owned(), |text, at| text + &process(at));
        let error = read(Format::ProcessCompose, &[("pc.yaml", &text)]).unwrap_err();
        assert_eq!(error.line, 12, "{error}");
        assert!(error.message.starts_with(refused), "{error}");
    }
    let text = (0..10_001).fold(String::new(), |text, at| text + &format!("p{at}: ./a\n"));
    let error = read(Format::Procfile, &[("Procfile", &text)]).unwrap_err();
    assert_eq!((error.line, error.message.starts_with(refused)), (10_001, true), "{error}");
}

/// Programs whose names are none, all of them the same, and with replicas whose names may be taken, too.
#[test]
fn many_names_that_meet_are_made_one_each() {
    let program = |at: u32| format!("[program:{}]\ncommand=/a\nnumprocs=40\n", "\u{e9}".repeat(at as usize));
    let text = (1..=240).fold(String::new(), |text, at| text + &program(at));
    let made = made(Format::Supervisord, "s.conf", &text);
    assert!(
        made.text.contains("- name: program\n") && made.text.contains("- name: program-279\n"),
        "{}",
        made.text
    );
    assert_eq!((made.text.matches("- name: ").count(), made.left.len()), (240, 240));
}

/// Files that were written under a number go on under it.
#[test]
fn processes_whose_logs_are_numbered_keep_their_numbers() {
    let text = "[program:w]\ncommand=/w\nprocess_name=%(program_name)s_%(process_num)02d\nnumprocs=4\n\
                stdout_logfile=/log/w_%(process_num)02d.log\n";
    let made = made(Format::Supervisord, "s.conf", text);
    for number in ["00", "01", "02", "03"] {
        let file = format!("- name: w_{number}\n");
        assert!(made.text.contains(&file), "{}", made.text);
        assert!(made.text.contains(&format!("log: {{file: /log/w_{number}.log,")), "{}", made.text);
    }
    assert!(!made.text.contains("replica"), "{}", made.text);
}
