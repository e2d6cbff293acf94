package agent

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

// fetchProblem is why the newest state of the branch is not in use.
type fetchProblem struct {
	Reason  string
	Message string
}

func (f *follower) problemLocked() fetchProblem {
	var refused *refusal
	switch {
	case f.failure.Reason != "":
		return f.failure
	case f.verdict == nil:
		return fetchProblem{}
	case errors.As(f.verdict, &refused):
		return f.problem(refused.Reason, f.verdict)
	}
	return f.problem(reasonInvalid, f.verdict)
}

func (f *follower) failureLocked(err error) fetchProblem {
	switch {
	case err == nil:
		return fetchProblem{}
	case errors.Is(err, sync.ErrRefNotFound):
		return f.problem("BranchMissing", fmt.Errorf("%s does not exist: nothing is changed; a cluster ends only by a tombstone", schemas.DesiredRef(f.config.Cluster)))
	case errors.Is(err, sync.ErrUnauthorized):
		return f.problem("Unauthorized", fmt.Errorf("the repository refused the token: put a valid one into Secret %s/%s", schemas.AgentNamespace, schemas.AgentConfigSecret))
	}
	return f.problem("Unreachable", stable(err))
}

// stable leaves out the local port of a broken connection, which would make the
// message differ at each attempt.
func stable(err error) error {
	var broken *net.OpError
	if errors.As(err, &broken) && broken.Source != nil {
		return fmt.Errorf("%s %s %v: %w", broken.Op, broken.Net, broken.Addr, broken.Err)
	}
	return err
}

// problem never shows the token, whatever an error quotes.
func (f *follower) problem(reason string, err error) fetchProblem {
	message := err.Error()
	if f.config.Token != "" {
		message = strings.ReplaceAll(message, f.config.Token, "[token]")
	}
	return fetchProblem{Reason: reason, Message: clip(message)}
}
