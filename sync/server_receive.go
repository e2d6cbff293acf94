package sync

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
)

const (
	// maxStatusPush bounds an agent's push, maxStatusBytes the status in it.
	maxStatusPush  = 1 << 20
	maxStatusBytes = 64 << 10
	// maxReport bounds what git and Check say about a push.
	maxReport = 4 << 20
)

// receive answers POST git-receive-pack: a push.
func (s *Server) receive(c *call) {
	body, commands, err := s.readPush(c)
	if err != nil {
		c.badBody(err)
		return
	}
	if len(commands.changes) == 0 {
		// git asks whether it may push before it sends much; so it may.
		c.answer(receivePack, "result")
		return
	}
	if reason := c.refusePush(commands, body); reason != "" {
		c.log.Warn("push refused", "refs", commands.refs(), "reason", reason)
		_, _ = io.Copy(io.Discard, body.in) // a client that is still sending would not see the answer
		_, _ = c.answer(receivePack, "result").Write(commands.refusal(reason))
		return
	}
	s.takePush(c, commands, body)
}

// readPush reads the commands of a push; body gives the request from its start.
// An agent's push is read as a whole, so that a slow one occupies no process.
func (s *Server) readPush(c *call) (body *replayReader, commands *pushCommands, err error) {
	var in io.Reader
	if c.principal.Kind == Person {
		in, err = c.body(s.options.MaxPackBytes + maxCommandBytes)
	} else {
		var data []byte
		data, err = c.wholeBody(maxStatusPush)
		in = bytes.NewReader(data)
	}
	if err != nil {
		return nil, nil, err
	}
	body = &replayReader{in: in}
	commands, err = readCommands(body)
	return body, commands, err
}

// refusePush says why the principal may not push this, or "".
func (c *call) refusePush(commands *pushCommands, body *replayReader) string {
	for _, change := range commands.changes {
		if reason := c.principal.refuse(change); reason != "" {
			return reason
		}
	}
	if c.principal.Kind == Agent {
		if err := checkStatusPush(commands, body); err != nil {
			return err.Error()
		}
	}
	return ""
}

// takePush hands the push to git, which asks Check through the hook.
func (s *Server) takePush(c *call, commands *pushCommands, body *replayReader) {
	if err := c.repo.preparePush(commands.refs()); err != nil {
		c.fail(err, http.StatusInternalServerError)
		return
	}
	pending := &pendingPush{ctx: c.r.Context(), tenant: c.tenant, principal: c.principal, repo: c.repo, log: c.log}
	env, done := s.hooks.expect(pending)
	// The report is held back until git has read the request to its end: net/http
	// drops what is left of a request once its answer starts.
	var report bytes.Buffer
	err := s.service(c, body.rewound(), &cappedWriter{&report, maxReport}, env, receivePackCommand, "--stateless-rpc")
	done()
	s.announce(c, pending)
	if err != nil && report.Len() == 0 {
		c.fail(err, http.StatusInternalServerError)
		return
	}
	if err != nil {
		c.log.Info("push ended early", "error", err)
	}
	_, _ = io.Copy(io.Discard, body.in)
	_, _ = c.answer(receivePack, "result").Write(report.Bytes())
}

// preparePush makes sure that git will ask before it moves refs, and that no
// killed process blocks them.
func (r *Repository) preparePush(refs []string) error {
	if err := r.installHook(); err != nil {
		return err
	}
	return r.removeStaleLocks(r.refLocks(refs...)...)
}

// announce tells Received which refs have moved. The client may be gone by then,
// the refs have moved all the same.
func (s *Server) announce(c *call, pending *pendingPush) {
	ctx := context.WithoutCancel(c.r.Context())
	var moved []RefChange
	for _, change := range pending.accepted() {
		tip, err := c.repo.Tip(ctx, change.Ref)
		if err != nil {
			c.log.Error("look at a pushed ref", "ref", change.Ref, "error", err)
			continue
		}
		passed := tip == change.New
		if !passed && tip != change.Old {
			// A later push may have moved it on already.
			passed, _ = c.repo.IsAncestor(ctx, change.New, tip)
		}
		if passed {
			moved = append(moved, change)
		}
	}
	if len(moved) > 0 {
		c.log.Info("push accepted", "refs", strings.Join(refNames(moved), " "))
		s.options.Received(c.tenant, moved)
	}
}

func refNames(changes []RefChange) []string {
	names := make([]string, len(changes))
	for i, c := range changes {
		names[i] = c.Ref
	}
	return names
}
