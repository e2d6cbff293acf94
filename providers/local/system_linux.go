package local

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// diesWithParent: the system ends a child when its parent ends.
const diesWithParent = true

// childAttributes give a child a process group of its own, so that Ctrl-C in a
// terminal reaches it through an orderly stop only, and end it with its parent.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// identify tells apart two processes that were given the same ID: by the start
// time in clock ticks since boot (proc_pid_stat(5), field 22). A process that
// does not exist, or is dead and not yet waited for, gives os.ErrNotExist.
func identify(pid int) (processRecord, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return processRecord{}, os.ErrNotExist
	}
	// The second field is the name in parentheses and may itself hold both.
	end := bytes.LastIndexByte(stat, ')')
	fields := strings.Fields(string(stat[end+1:]))
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return processRecord{}, os.ErrNotExist
	}
	executable, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	if err != nil {
		return processRecord{}, os.ErrNotExist
	}
	// The file was replaced by a newer build, say.
	executable = strings.TrimSuffix(executable, " (deleted)")
	return processRecord{PID: pid, Started: fields[19], Executable: executable}, nil
}
