package sync

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	gosync "sync"
	"time"
)

// hookRequest is what RunHook sends, hookAnswer what it gets.
type hookRequest struct {
	Secret     string      `json:"secret"`
	Quarantine string      `json:"quarantine"` // folder of the objects of the push
	Changes    []RefChange `json:"changes"`
}

type hookAnswer struct {
	Accepted bool   `json:"accepted"`
	Message  string `json:"message"` // for the pusher
}

// hookListener answers the hooks of pushes in progress on a loopback port.
type hookListener struct {
	options ServerOptions
	server  *http.Server
	url     string

	mu      gosync.Mutex
	pending map[string]*pendingPush // by secret
}

// pendingPush is a push that git is working on.
type pendingPush struct {
	ctx       context.Context // of the pusher's request
	tenant    string
	principal Principal
	repo      *Repository
	log       *slog.Logger

	mu      gosync.Mutex
	changes []RefChange // that were accepted
}

func (p *pendingPush) accept(changes []RefChange) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changes = changes
}

func (p *pendingPush) accepted() []RefChange {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changes
}

func listenForHooks(options ServerOptions) (*hookListener, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for hooks: %w", err)
	}
	l := &hookListener{options: options, url: "http://" + listener.Addr().String() + "/", pending: map[string]*pendingPush{}}
	l.server = &http.Server{Handler: l, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10}
	go func() {
		if err := l.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			options.Log.Error("listen for hooks", "error", err)
		}
	}()
	return l, nil
}

func (l *hookListener) close() error { return l.server.Close() }

// expect gives the environment that leads the hook of one push here. done ends
// its validity.
func (l *hookListener) expect(p *pendingPush) (env []string, done func()) {
	secret := rand.Text()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending[secret] = p
	words := make([]string, len(l.options.HookCommand))
	for i, word := range l.options.HookCommand {
		words[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	env = []string{
		hookProgramVariable + "=" + strings.Join(words, " "),
		hookURLVariable + "=" + l.url,
		hookSecretVariable + "=" + secret,
	}
	return env, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.pending, secret)
	}
}

// take finds the push that a secret stands for and makes the secret invalid.
func (l *hookListener) take(secret string) (*pendingPush, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, ok := l.pending[secret]
	delete(l.pending, secret)
	return p, ok
}

func (l *hookListener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var request hookRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxCommandBytes)).Decode(&request); err != nil {
		http.Error(w, "malformed request", http.StatusBadRequest)
		return
	}
	push, ok := l.take(request.Secret)
	if !ok {
		http.Error(w, "no such push", http.StatusForbidden)
		return
	}
	var said []string
	tell := func(line string) { said = append(said, line) }
	answer := hookAnswer{Accepted: true}
	if err := l.decide(push, request, tell); err != nil {
		push.log.Warn("push refused", "refs", strings.Join(refNames(request.Changes), " "), "reason", err.Error())
		answer = hookAnswer{Message: err.Error()}
	} else {
		answer.Message = strings.Join(said, "\n")
		push.accept(request.Changes)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // a hook that is gone cannot accept
}

// decide checks the rules that need the objects of the push, then asks Check.
func (l *hookListener) decide(p *pendingPush, request hookRequest, tell func(string)) error {
	repo, err := p.repo.quarantined(request.Quarantine)
	if err != nil {
		return err
	}
	for _, change := range request.Changes {
		if reason := p.principal.refuse(change); reason != "" {
			return fmt.Errorf("%s: %s", change.Ref, reason)
		}
		if err := checkForward(p, repo, change); err != nil {
			return err
		}
	}
	return l.options.Check(p.ctx, Push{
		Tenant: p.tenant, Principal: p.principal, Changes: request.Changes, Repository: repo, Tell: tell,
	})
}

// checkForward keeps people from dropping commits of others.
func checkForward(p *pendingPush, repo *Repository, change RefChange) error {
	if p.principal.Kind != Person || change.Old == zeroID {
		return nil
	}
	forward, err := repo.IsAncestor(p.ctx, change.Old, change.New)
	if err != nil {
		p.log.Error("compare commits of a push", "error", err)
		return errors.New("internal error; try again")
	}
	if !forward {
		return fmt.Errorf("%s only moves forward: fetch, rebase or merge, and push again", change.Ref)
	}
	return nil
}

// quarantined gives a view of the repository that also has the objects of a push
// that is not accepted yet (githooks(5), gitprotocol "quarantine environment").
func (r *Repository) quarantined(folder string) (*Repository, error) {
	objects, err := filepath.EvalSymlinks(filepath.Join(r.dir, "objects"))
	if err != nil {
		return nil, fmt.Errorf("find objects: %w", err)
	}
	folder, err = filepath.EvalSymlinks(folder)
	if err != nil || filepath.Dir(folder) != objects {
		return nil, errors.New("internal error: the objects of the push are not where git keeps them")
	}
	view := *r
	view.quarantine = []string{
		"GIT_OBJECT_DIRECTORY=" + folder,
		"GIT_ALTERNATE_OBJECT_DIRECTORIES=" + objects,
		"GIT_QUARANTINE_PATH=" + folder, // git refuses to move refs with it
	}
	return &view, nil
}
