//go:build e2e

// End-to-end tests: the built programs, real control planes, Git over HTTP.
// Each file of testdata/scripts is one run of the whole system; these commands
// come on top of testscript's own:
//
//	hub start TENANT       make a tenant and its token, serve; sets $URL (with token)
//	hub move TENANT        go on with the same data on another port; sets $URL
//	hub again              serve on the same data and address
//	hub kill | hub stop    end the hub with SIGKILL, or politely
//	await STATE CLUSTER... wait until each cluster has that state; Ready means ready with what HEAD says
//	kubectl CLUSTER ARG... talk to a cluster as its administrator
//	killagents             end every agent's process with SIGKILL
//	signers FILE CLUSTER   write the keys of a cluster's refs for git verify-commit
//	noprocess              fail if any process of this run is left
package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"branchline.dev/branchline/schemas"
)

// patience bounds every wait; it is far above what any step takes.
const patience = 3 * time.Minute

func TestEndToEnd(t *testing.T) {
	bin := programs(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/scripts",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("GIT_CONFIG_NOSYSTEM", "1")
			for _, role := range []string{"AUTHOR", "COMMITTER"} {
				env.Setenv("GIT_"+role+"_NAME", "Tester")
				env.Setenv("GIT_"+role+"_EMAIL", "tester@example.com")
			}
			r := &run{bin: bin, data: filepath.Join(env.WorkDir, "hub-data")}
			env.Values[runKey{}] = r
			env.Defer(func() { r.end(t) })
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"hub":        command((*run).hub),
			"await":      command((*run).await),
			"kubectl":    command((*run).kubectl),
			"killagents": command((*run).killAgents),
			"signers":    command((*run).signers),
			"noprocess":  command((*run).noProcess),
		},
	})
}

func programs(t *testing.T) string {
	bin := os.Getenv("BRANCHLINE_E2E_BIN")
	if bin == "" {
		var err error
		if bin, err = filepath.Abs("../bin"); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"branchline", "branchline-agent", "branchline-controlplane", "kwok"} {
		if _, err := os.Stat(filepath.Join(bin, name)); err != nil {
			t.Fatalf("%v: run \"make build\" first", err)
		}
	}
	return bin
}

type runKey struct{}

// run is what one script has started.
type run struct {
	bin, data, address string
	process            *exec.Cmd
	exited             chan error
}

// command lets a script expect failure by a leading "!".
func command(do func(*run, *testscript.TestScript, []string) error) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, negated bool, args []string) {
		err := do(ts.Value(runKey{}).(*run), ts, args)
		switch {
		case err != nil && !negated:
			ts.Fatalf("%v", err)
		case err == nil && negated:
			ts.Fatalf("unexpected success")
		}
	}
}

func (r *run) hub(ts *testscript.TestScript, args []string) error {
	switch {
	case len(args) == 2 && args[0] == "start":
		return r.start(ts, args[1])
	case len(args) == 2 && args[0] == "move":
		return r.move(ts, args[1])
	case len(args) == 1 && args[0] == "again":
		return r.serve()
	case len(args) == 1 && args[0] == "kill":
		return r.signal(syscall.SIGKILL)
	case len(args) == 1 && args[0] == "stop":
		return r.signal(syscall.SIGTERM)
	}
	return errors.New("usage: hub start TENANT | move TENANT | again | kill | stop")
}

func (r *run) start(ts *testscript.TestScript, tenant string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	r.address = listener.Addr().String()
	if err := listener.Close(); err != nil {
		return err
	}
	if err := r.serve("--tenant", tenant); err != nil {
		return err
	}
	return r.login(ts, tenant)
}

// login gets a token beside the running hub.
func (r *run) login(ts *testscript.TestScript, tenant string) error {
	token, err := exec.Command(filepath.Join(r.bin, "branchline"), "hub", "token", tenant, "tester", "--data", r.data).Output()
	if err != nil {
		return fmt.Errorf("hub token: %w: %s", err, stderrOf(err))
	}
	ts.Setenv("URL", fmt.Sprintf("http://tester:%s@%s/%s.git", strings.TrimSpace(string(token)), r.address, tenant))
	return nil
}

// move makes the hub continue on another port.
func (r *run) move(ts *testscript.TestScript, tenant string) error {
	if err := r.signal(syscall.SIGTERM); err != nil {
		return err
	}
	return r.start(ts, tenant)
}

func (r *run) serve(flags ...string) error {
	log, err := os.OpenFile(r.data+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	r.process = exec.Command(filepath.Join(r.bin, "branchline"), append([]string{"hub", "serve",
		"--data", r.data, "--listen", r.address, "--poll", "1s", "--deletion-grace", "0s"}, flags...)...)
	r.process.Stderr = log
	if err := r.process.Start(); err != nil {
		return err
	}
	r.exited = make(chan error, 1)
	go func(process *exec.Cmd, exited chan<- error) { exited <- process.Wait() }(r.process, r.exited)
	return eventually(func() error {
		connection, err := net.Dial("tcp", r.address)
		if err != nil {
			return err
		}
		return connection.Close()
	})
}

func (r *run) signal(signal syscall.Signal) error {
	if err := r.process.Process.Signal(signal); err != nil {
		return err
	}
	err := <-r.exited
	r.process = nil
	if signal == syscall.SIGTERM {
		return err
	}
	return nil
}

// end stops the hub of a script that failed half-way, and fails the test if the
// race detector has spoken in any process of the run.
func (r *run) end(t *testing.T) {
	if r.process != nil {
		_ = r.signal(syscall.SIGTERM)
	}
	logs, _ := filepath.Glob(filepath.Join(r.data, "local", "clusters", "*", "*", "logs", "*"))
	for _, log := range append(logs, r.data+".log") {
		if text, err := os.ReadFile(log); err == nil && strings.Contains(string(text), "WARNING: DATA RACE") {
			t.Errorf("data race in %s:\n%s", log, text)
		}
	}
}

func (r *run) await(ts *testscript.TestScript, args []string) error {
	if len(args) < 2 {
		return errors.New("usage: await STATE CLUSTER...")
	}
	err := eventually(func() error {
		for _, cluster := range args[1:] {
			if err := r.hasState(ts, cluster, args[0]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		log, _ := os.ReadFile(r.data + ".log")
		ts.Logf("hub log:\n%s", log)
	}
	return err
}

func (r *run) hasState(ts *testscript.TestScript, cluster, state string) error {
	status := exec.Command(filepath.Join(r.bin, "branchline"), "status", cluster, "--repository", ts.Getenv("URL"), "--output", "json")
	out, err := status.Output()
	if err != nil {
		return fmt.Errorf("status: %w: %s", err, stderrOf(err))
	}
	var got struct{ State, Source, Message string }
	if err := json.Unmarshal(out, &got); err != nil {
		return err
	}
	if got.State != state {
		return fmt.Errorf("%s is %s (%s), not %s", cluster, got.State, got.Message, state)
	}
	if state == "Ready" {
		return r.isCurrent(ts, cluster)
	}
	return nil
}

// isCurrent makes sure that the desired branch holds what HEAD renders to: a
// cluster is also ready before the hub has seen a push.
func (r *run) isCurrent(ts *testscript.TestScript, cluster string) error {
	if _, err := r.git(ts, "fetch", "--quiet", "origin"); err != nil {
		return err
	}
	out, err := os.MkdirTemp(filepath.Dir(r.data), "await-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(out)
	render := exec.Command(filepath.Join(r.bin, "branchline"), "render", ts.MkAbs("."), "--output", out, "--cluster", cluster)
	if text, err := render.CombinedOutput(); err != nil {
		return fmt.Errorf("render: %w: %s", err, text)
	}
	data, err := os.ReadFile(filepath.Join(out, cluster, schemas.DesiredClusterFile))
	if err != nil {
		return err
	}
	var rendered, published schemas.DesiredCluster
	if err := schemas.Unmarshal(data, &rendered); err != nil {
		return err
	}
	if err := r.document(ts, "origin/desired/"+cluster+":"+schemas.DesiredClusterFile, &published); err != nil {
		return err
	}
	if rendered.Spec.Digest != published.Spec.Digest {
		return fmt.Errorf("desired/%s does not hold what HEAD renders to yet", cluster)
	}
	return nil
}

func (r *run) kubectl(ts *testscript.TestScript, args []string) error {
	if len(args) < 2 {
		return errors.New("usage: kubectl CLUSTER ARG...")
	}
	found, err := filepath.Glob(filepath.Join(r.data, "local", "kubeconfigs", "*", args[0]+"*"))
	if err != nil || len(found) != 1 {
		return fmt.Errorf("kubeconfig of %s: found %v %w", args[0], found, err)
	}
	return ts.Exec("branchline-controlplane", append([]string{"kubectl", "--kubeconfig", found[0]}, args[1:]...)...)
}

func (r *run) killAgents(*testscript.TestScript, []string) error {
	return eventually(func() error {
		pids := r.processes(filepath.Join(r.bin, "branchline-agent"))
		if len(pids) == 0 {
			return errors.New("no agent runs")
		}
		for _, pid := range pids {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				return err
			}
		}
		return nil
	})
}

// processes lists those of this run whose command line begins with a program.
func (r *run) processes(program string) []int {
	var pids []int
	entries, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, entry := range entries {
		line, err := os.ReadFile(entry)
		if err != nil || !strings.HasPrefix(string(line), program) || !strings.Contains(string(line), r.data) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(entry))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

func (r *run) noProcess(*testscript.TestScript, []string) error {
	return eventually(func() error {
		if left := r.processes(r.bin); len(left) > 0 {
			return fmt.Errorf("processes %v are left", left)
		}
		return nil
	})
}

// signers collects, from the refs themselves, the keys that the chain of trust
// names: desired state names the renderer's, infrastructure status the agent's.
func (r *run) signers(ts *testscript.TestScript, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: signers FILE CLUSTER")
	}
	var manifest schemas.DesiredCluster
	if err := r.document(ts, "origin/desired/"+args[1]+":"+schemas.DesiredClusterFile, &manifest); err != nil {
		return err
	}
	var infra schemas.InfraStatus
	if err := r.document(ts, "origin/status/"+args[1]+"/infra:"+schemas.StatusFile, &infra); err != nil {
		return err
	}
	var lines strings.Builder
	for _, key := range append(manifest.Spec.TrustedKeys, infra.Status.AgentPublicKey) {
		fmt.Fprintf(&lines, "noreply@branchline.dev namespaces=\"git\" %s\n", key)
	}
	return os.WriteFile(ts.MkAbs(args[0]), []byte(lines.String()), 0o600)
}

func (r *run) document(ts *testscript.TestScript, object string, into any) error {
	text, err := r.git(ts, "show", object)
	if err != nil {
		return err
	}
	return schemas.Unmarshal([]byte(text), into)
}

func (r *run) git(ts *testscript.TestScript, args ...string) (string, error) {
	git := exec.Command("git", args...)
	git.Dir = ts.MkAbs(".")
	// The variables that git sets in a hook would lead to another repository.
	git.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, "GIT_") })
	out, err := git.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, stderrOf(err))
	}
	return strings.TrimSpace(string(out)), nil
}

func stderrOf(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return strings.TrimSpace(string(exit.Stderr))
	}
	return ""
}

// eventually tries until it works, and gives the last reason if it never does.
func eventually(try func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := try()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}
