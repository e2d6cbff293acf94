package sync

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Commit is what a commit object says.
type Commit struct {
	ID            string
	Tree          string
	Parents       []string
	CommitterTime time.Time // UTC, whole seconds
	Subject       string    // first line of the message
	Raw           []byte    // content of the object, which VerifyCommit takes
}

// Identity is a commit's author or committer.
type Identity struct {
	Name  string
	Email string
}

// defaultIdentity is who writes commits unless an Update says otherwise.
func defaultIdentity() Identity { return Identity{"branchline", "noreply@branchline.dev"} }

func (i Identity) check() error {
	if i.Name == "" || strings.ContainsAny(i.Name+i.Email, "<>\n\x00") {
		return fmt.Errorf("identity %q <%q> is empty or holds one of < > and control characters", i.Name, i.Email)
	}
	return nil
}

// parseCommit reads the headers that every commit has and skips those it does
// not know: commits by people carry more. VerifyCommit is the strict reader.
func parseCommit(id string, raw []byte) (*Commit, error) {
	headers, message, ok := bytes.Cut(raw, []byte("\n\n"))
	if !ok {
		headers, message = bytes.TrimSuffix(raw, []byte("\n")), nil
	}
	c := &Commit{ID: id, Raw: raw}
	for line := range bytes.SplitSeq(headers, []byte("\n")) {
		name, value, _ := strings.Cut(string(line), " ")
		if err := c.header(name, value); err != nil {
			return nil, fmt.Errorf("commit %s: %w", id, err)
		}
	}
	if c.Tree == "" || c.CommitterTime.IsZero() {
		return nil, fmt.Errorf("commit %s: no tree or no committer", id)
	}
	subject, _, _ := strings.Cut(strings.TrimLeft(string(message), "\n"), "\n")
	c.Subject = subject
	return c, nil
}

func (c *Commit) header(name, value string) error {
	switch name {
	case "tree", "parent":
		if _, err := parseID(value); err != nil {
			return err
		}
		if name == "parent" {
			c.Parents = append(c.Parents, value)
		} else if c.Tree != "" {
			return errors.New("two tree headers")
		} else {
			c.Tree = value
		}
	case "committer":
		if !c.CommitterTime.IsZero() {
			return errors.New("two committer headers")
		}
		when, err := parseIdentityTime(value)
		c.CommitterTime = when
		return err
	}
	return nil
}

// parseIdentityTime takes the time out of "name <email> seconds zone".
func parseIdentityTime(value string) (time.Time, error) {
	fields := strings.Fields(value[strings.LastIndexByte(value, '>')+1:])
	if len(fields) != 2 {
		return time.Time{}, fmt.Errorf("identity %q has no time", clip(value))
	}
	seconds, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil || seconds < 0 || seconds > 1<<40 {
		return time.Time{}, fmt.Errorf("identity %q has an invalid time", clip(value))
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// encodeCommit gives the content of a signed commit. Equal arguments give equal
// bytes.
func encodeCommit(signer *Signer, tree objectID, u Update) ([]byte, error) {
	var head bytes.Buffer
	fmt.Fprintf(&head, "tree %s\n", tree)
	for _, parent := range u.Parents {
		fmt.Fprintf(&head, "parent %s\n", parent)
	}
	who := fmt.Sprintf("%s <%s> %d +0000", u.Identity.Name, u.Identity.Email, u.When.Unix())
	fmt.Fprintf(&head, "author %s\ncommitter %s\n", who, who)
	message := "\n" + strings.TrimRight(u.Message, "\n") + "\n"

	signature, err := signer.sign([]byte(head.String() + message))
	if err != nil {
		return nil, fmt.Errorf("sign commit: %w", err)
	}
	// A header goes on over several lines if each but the first starts with a space.
	lines := strings.ReplaceAll(strings.TrimSuffix(string(signature), "\n"), "\n", "\n ")
	return []byte(head.String() + signatureHeader + lines + "\n" + message), nil
}
