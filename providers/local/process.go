package local

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// command says how to run one program of a cluster.
type command struct {
	name string // unique in the cluster; names the log file
	path string
	args []string
	env  []string
	dir  string
	// inputs stands for the content of files that the program reads once: a
	// change of it restarts the program, like a change of its arguments.
	inputs string
	// grace is how long the program may take to stop when asked to.
	grace time.Duration
}

func (c command) equal(o command) bool {
	return c.path == o.path && c.inputs == o.inputs && slices.Equal(c.args, o.args) && slices.Equal(c.env, o.env)
}

// process runs a command and runs it again when it ended.
type process struct {
	command  command
	cmd      *exec.Cmd
	started  time.Time
	done     chan struct{} // closed once the program has ended
	err      error         // how it ended, once done is closed
	failures int           // ends in a row without a long life between them
}

// The wait before a program that ended is started again: none the first time,
// then longer each time until it has lived for stableAfter.
const (
	firstBackoff = 500 * time.Millisecond
	maxBackoff   = 30 * time.Second
	stableAfter  = time.Minute
)

func (p *process) running() bool {
	if p == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// backoff is how long to wait, after the program ended, before starting it again.
func backoff(failures int) time.Duration {
	if failures <= 1 {
		return 0
	}
	return min(maxBackoff, firstBackoff<<min(failures-2, 10))
}

// launch starts the command with its output going to a log file below logs.
func launch(s *spawner, c command, logs string, now time.Time) (*process, error) {
	output, err := openLog(filepath.Join(logs, c.name+".log"))
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(c.path, c.args...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = c.env, c.dir, output, output
	cmd.WaitDelay = time.Second // for output held open by somebody else
	if err := s.start(cmd); err != nil {
		output.close()
		return nil, fmt.Errorf("start %s: %w", c.name, err)
	}
	p := &process{command: c, cmd: cmd, started: now, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		output.close()
		close(p.done)
	}()
	return p, nil
}

// halt asks the program to stop, insists when its grace or ctx is over, and
// returns when it has ended.
func (p *process) halt(ctx context.Context) {
	if !p.running() {
		return
	}
	if p.command.grace > 0 && p.cmd.Process.Signal(syscall.SIGTERM) == nil {
		grace, cancel := context.WithTimeout(ctx, p.command.grace)
		defer cancel()
		select {
		case <-p.done:
			return
		case <-grace.Done():
		}
	}
	_ = p.cmd.Process.Kill() // fails only if it has ended
	<-p.done
}

// ending says how the program ended, for people.
func (p *process) ending() string {
	if p.err == nil {
		return "exit status 0"
	}
	return p.err.Error()
}

// environment is all that programs inherit: where to find programs and put
// temporary files, and how to reach the network.
func environment(home string, more ...string) []string {
	env := []string{"HOME=" + home}
	for _, name := range []string{
		"PATH", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR",
		"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
	} {
		if value, set := os.LookupEnv(name); set {
			env = append(env, name+"="+value)
		}
	}
	return append(env, more...)
}
