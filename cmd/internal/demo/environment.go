package demo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"branchline.dev/branchline/cmd/internal/fleet"
	"branchline.dev/branchline/cmd/internal/hub"
	"branchline.dev/branchline/providers/all"
	"branchline.dev/branchline/sync"
)

const (
	tenantName = "quickstart"
	person     = "you"
	// addressFile keeps the hub's address, which the agents of an earlier run know.
	addressFile = "address"
)

// environment is what the demo runs on.
type environment struct {
	options   Options
	dir       string
	temporary bool
	log       *os.File

	hub        *hub.Hub
	clouds     all.Clouds
	repository *sync.Repository
	token      string
	clone      *clone
	stop       context.CancelFunc
	stopped    chan struct{} // closed when the hub has ended
	failure    error         // why, to be read then
}

func newEnvironment(options Options) (*environment, error) {
	env := &environment{options: options, dir: options.Dir}
	var err error
	if env.dir == "" {
		env.temporary = true
		env.dir, err = os.MkdirTemp("", "branchline-demo-")
	} else {
		env.dir, err = ownDirectory(env.dir)
	}
	if err != nil {
		return nil, err
	}
	env.log, err = os.OpenFile(filepath.Join(env.dir, "hub.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil && env.temporary {
		err = errors.Join(err, os.RemoveAll(env.dir))
	}
	return env, err
}

// ownDirectory makes the directory that a person named. One that holds anything
// but an earlier demo is refused: the demo writes keys and tokens into it.
func ownDirectory(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(dir, addressFile)); len(entries) > 0 && err != nil {
		return "", fmt.Errorf("%s is not empty and holds no earlier demo; choose another --dir", dir)
	}
	return filepath.Abs(dir)
}

// startHub runs the hub inside this process.
func (e *environment) startHub(ctx context.Context) (time.Duration, string, error) {
	listener, err := e.listen(ctx)
	if err != nil {
		return 0, "", err
	}
	log := slog.New(slog.NewTextHandler(e.log, nil))
	e.clouds, err = all.Open(ctx, all.Options{Local: all.LocalOptions{
		Dir: filepath.Join(e.dir, "local"), ControlPlane: e.options.ControlPlane, Kwok: e.options.Kwok, Agent: e.options.Agent, Log: log,
	}}, all.Local)
	if err != nil {
		return 0, "", errors.Join(err, listener.Close())
	}
	e.hub, err = hub.Open(ctx, hub.Options{
		Data:        e.dir,
		URL:         "http://" + listener.Addr().String(),
		Version:     e.options.Version,
		HookCommand: []string{e.options.Self, "hub", "hook"},
		Clouds:      all.Schemas(),
		Providers:   e.clouds.Providers(),
		// People who watch a demo should not wait for half a minute.
		PollInterval:  time.Second,
		DeletionGrace: -1,
		Log:           log,
	})
	if err != nil {
		return 0, "", errors.Join(err, listener.Close())
	}
	if err := e.hub.AddTenant(ctx, tenantName); err != nil {
		return 0, "", errors.Join(err, listener.Close())
	}
	e.repository, _ = e.hub.Repository(tenantName)
	if e.token, err = e.hub.IssueToken(tenantName, person); err != nil {
		return 0, "", errors.Join(err, listener.Close())
	}
	e.run(ctx, listener)
	return 0, e.hub.RepositoryURL(tenantName), nil
}

func (e *environment) run(ctx context.Context, listener net.Listener) {
	ctx, e.stop = context.WithCancel(ctx)
	e.stopped = make(chan struct{})
	go func() {
		e.failure = e.hub.Run(ctx, listener)
		close(e.stopped)
	}()
}

// listen takes a free port, or the one of the run that this one continues.
func (e *environment) listen(ctx context.Context) (net.Listener, error) {
	address := "127.0.0.1:0"
	file := filepath.Join(e.dir, addressFile)
	data, err := os.ReadFile(file)
	switch {
	case err == nil:
		address = strings.TrimSpace(string(data))
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return listener, os.WriteFile(file, []byte(listener.Addr().String()+"\n"), 0o600)
}

// close stops everything that was started and removes what need not stay.
func (e *environment) close() error {
	var failures []error
	if e.stop != nil {
		e.stop()
		<-e.stopped
		failures = append(failures, e.failure)
	}
	if e.clouds != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		failures = append(failures, e.clouds.Close(ctx))
		cancel()
	}
	if e.hub != nil {
		failures = append(failures, e.hub.Close())
	}
	if e.clone != nil {
		failures = append(failures, e.clone.remove())
	}
	failures = append(failures, e.log.Close())
	if e.temporary && !e.options.Keep {
		failures = append(failures, os.RemoveAll(e.dir))
	}
	return errors.Join(failures...)
}

// cloneURL has the token in it, as git takes it.
func (e *environment) cloneURL() string {
	return strings.Replace(e.hub.RepositoryURL(tenantName), "://", fmt.Sprintf("://%s:%s@", person, e.token), 1)
}

// clusters reads the state that anybody sees who can read the repository.
func (e *environment) clusters(ctx context.Context) ([]fleet.Cluster, error) {
	if e.repository == nil {
		return nil, nil
	}
	return fleet.Read(ctx, fleet.OnDisk{Repository: e.repository}, time.Now())
}
