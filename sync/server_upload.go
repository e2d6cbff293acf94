package sync

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxNegotiation bounds a request to read: about 150,000 wanted or known commits.
const maxNegotiation = 8 << 20

// advertise answers GET info/refs, with which stock git starts.
func (s *Server) advertise(c *call) {
	service := c.r.URL.Query().Get("service")
	if service != uploadPack && service != receivePack {
		http.Error(c.w, "only git's smart HTTP protocol is served; use git 2.0 or newer", http.StatusForbidden)
		return
	}
	var out bytes.Buffer
	if err := s.service(c, nil, &out, nil, strings.TrimPrefix(service, "git-"), "--stateless-rpc", "--advertise-refs"); err != nil {
		c.fail(err, http.StatusInternalServerError)
		return
	}
	w := c.answer(service, "advertisement")
	if service == receivePack || c.r.Header.Get("Git-Protocol") != "version=2" {
		// Version 2 has no such heading.
		_, _ = w.Write(appendFlush(appendPacket(nil, "# service="+service+"\n")))
	}
	_, _ = w.Write(out.Bytes()) // a client that is gone needs no answer
}

// upload answers POST git-upload-pack: lists of refs and packs.
func (s *Server) upload(c *call) {
	body, err := c.wholeBody(maxNegotiation)
	if err != nil {
		c.badBody(err)
		return
	}
	if c.principal.Kind != Person {
		if err := c.checkWants(body); err != nil {
			c.log.Warn("git read refused", "reason", err.Error())
			_, _ = c.answer(uploadPack, "result").Write(appendPacket(nil, "ERR "+err.Error()))
			return
		}
	}
	out := &startedWriter{out: c.answer(uploadPack, "result")}
	err = s.service(c, bytes.NewReader(body), out, nil, "upload-pack", "--strict", "--stateless-rpc")
	switch {
	case err == nil:
	case c.r.Context().Err() != nil:
		c.log.Info("git read ended by the client", "error", err)
	case !out.started:
		c.fail(err, http.StatusInternalServerError)
	default:
		// git has told the client why; for a request that it refuses that is usual.
		c.log.Info("git read ended early", "error", err)
	}
}

// startedWriter knows whether anything was written.
type startedWriter struct {
	out     io.Writer
	started bool
}

func (w *startedWriter) Write(p []byte) (int, error) {
	w.started = true
	return w.out.Write(p)
}

// checkWants lets an agent ask for its own commits only. Hiding refs is not
// enough: with version 2 git gives any object to whoever knows its name, and
// each root manifest tells the name of the commit on main.
func (c *call) checkWants(body []byte) error {
	var wants []string
	for in := bytes.NewReader(body); ; {
		kind, line, err := readPacket(in)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("upload-pack: %w", err)
		}
		text := strings.TrimSuffix(string(line), "\n")
		if kind == packetData && strings.HasPrefix(text, "want") {
			name, _, _ := strings.Cut(strings.TrimPrefix(text, "want "), " ") // capabilities may follow
			wants = append(wants, name)
		}
	}
	if len(wants) == 0 {
		return nil
	}
	own, err := c.ownTips(c.r.Context())
	if err != nil {
		c.log.Error("git request failed", "error", err)
		return errors.New("upload-pack: internal error; try again")
	}
	for _, want := range wants {
		if !c.isOwn(c.r.Context(), own, want) {
			return fmt.Errorf("upload-pack: not our ref %s", clip(want))
		}
	}
	return nil
}

// ownTips lists the commits that an agent's branches point at.
func (c *call) ownTips(ctx context.Context) (map[string]bool, error) {
	own := map[string]bool{}
	for _, prefix := range []string{desiredRef(c.principal.Cluster), statusRefs(c.principal.Cluster)} {
		refs, err := c.repo.Refs(ctx, prefix)
		if err != nil {
			return nil, err
		}
		for _, commit := range refs {
			own[commit] = true
		}
	}
	return own, nil
}

// isOwn accepts tips and, because a branch may move between two requests, what
// came before them.
func (c *call) isOwn(ctx context.Context, tips map[string]bool, want string) bool {
	if tips[want] {
		return true
	}
	for tip := range tips {
		// An error means that the commit does not exist here.
		if ok, err := c.repo.IsAncestor(ctx, want, tip); err == nil && ok {
			return true
		}
	}
	return false
}
