package sync

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Update is one commit to make and the ref to move to it.
type Update struct {
	Ref string
	// Expect is where the ref must be now; "" means that it must not exist.
	Expect string
	// Parents of the commit; none makes an orphan.
	Parents []string
	// Files is the whole content of the commit: path to content. It is not changed.
	Files   map[string][]byte
	Message string
	// When is the time of the commit, for author and committer; whole seconds count.
	When time.Time
	// Identity of author and committer; the zero value means branchline itself.
	Identity Identity
}

func (u *Update) check() error {
	if err := checkRef(u.Ref); err != nil {
		return err
	}
	for _, id := range append([]string{u.expected()}, u.Parents...) {
		if _, err := parseID(id); err != nil {
			return fmt.Errorf("update of %s: %w", u.Ref, err)
		}
	}
	switch {
	case len(u.Files) == 0:
		return fmt.Errorf("update of %s: no files; an empty commit is never what was meant", u.Ref)
	case strings.TrimSpace(u.Message) == "" || strings.Contains(u.Message, "\x00"):
		return fmt.Errorf("update of %s: the message is empty or holds a NUL byte", u.Ref)
	case u.When.Unix() <= 0:
		return fmt.Errorf("update of %s: the time is not set", u.Ref)
	}
	if u.Identity == (Identity{}) {
		u.Identity = defaultIdentity()
	}
	return u.Identity.check()
}

// expected is Expect in the form that git's protocols use.
func (u *Update) expected() string {
	if u.Expect == "" {
		return zeroID
	}
	return u.Expect
}

// buildCommits adds the objects of each update to a set and gives the commits'
// names in the order of updates. It fills in defaults in updates.
func buildCommits(signer *Signer, updates []Update) (objectSet, []string, error) {
	if signer == nil {
		return nil, nil, errors.New("no signing key given; every commit is signed")
	}
	objects := objectSet{}
	commits := make([]string, len(updates))
	seen := map[string]bool{}
	for i := range updates {
		u := &updates[i]
		if err := u.check(); err != nil {
			return nil, nil, err
		}
		if seen[u.Ref] {
			return nil, nil, fmt.Errorf("two updates of %s at once", u.Ref)
		}
		seen[u.Ref] = true
		id, err := objects.addCommit(signer, *u)
		if err != nil {
			return nil, nil, fmt.Errorf("update of %s: %w", u.Ref, err)
		}
		commits[i] = id.String()
	}
	return objects, commits, nil
}

func (s objectSet) addCommit(signer *Signer, u Update) (objectID, error) {
	tree, err := s.addFiles(u.Files)
	if err != nil {
		return objectID{}, err
	}
	raw, err := encodeCommit(signer, tree, u)
	if err != nil {
		return objectID{}, err
	}
	return s.add(object{kindCommit, raw})
}
