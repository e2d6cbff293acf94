package sync

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	maxPathDepth = 32
	maxPathBytes = 1024
	maxNameBytes = 255
)

// checkPath accepts a slash-separated relative path of a file in a tree.
func checkPath(path string) error {
	if len(path) > maxPathBytes {
		return fmt.Errorf("path %q is longer than %d bytes", clip(path), maxPathBytes)
	}
	names := strings.Split(path, "/")
	if len(names) > maxPathDepth {
		return fmt.Errorf("path %q is more than %d folders deep", clip(path), maxPathDepth)
	}
	for _, name := range names {
		if err := checkName(name); err != nil {
			return fmt.Errorf("path %q: %w", clip(path), err)
		}
	}
	return nil
}

// checkName accepts the name of one tree entry. It refuses what could escape a
// folder or mean something else on another file system, although Branchline
// itself never checks a tree out: people do.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("a name is empty")
	case name == "." || name == "..":
		return fmt.Errorf("name %q is not allowed", name)
	case len(name) > maxNameBytes:
		return fmt.Errorf("name %q is longer than %d bytes", clip(name), maxNameBytes)
	case !utf8.ValidString(name):
		return fmt.Errorf("name %q is not UTF-8", name)
	case isGitFolder(name):
		return fmt.Errorf("name %q is reserved by git", name)
	}
	for _, c := range name {
		if c < 0x20 || c == 0x7f || c == '/' || c == '\\' {
			return fmt.Errorf("name %q holds the character %q", name, c)
		}
	}
	return nil
}

// isGitFolder finds .git and what case-insensitive file systems, NTFS and HFS+
// take for it.
func isGitFolder(name string) bool {
	visible := strings.Map(func(c rune) rune {
		// HFS+ ignores these when it compares names.
		if c >= 0x200c && c <= 0x200f || c >= 0x202a && c <= 0x202e || c >= 0x206a && c <= 0x206f || c == 0xfeff {
			return -1
		}
		return c
	}, name)
	stem, _, _ := strings.Cut(visible, ":") // an NTFS stream, as in .git::$INDEX_ALLOCATION
	stem = strings.TrimRight(strings.ToLower(stem), " .")
	return stem == ".git" || stem == "git~1"
}

// checkRef accepts full names of branches, in the subset of git's grammar that
// Branchline needs: parts of letters, digits, '.', '_' and '-'.
func checkRef(ref string) error {
	rest, ok := strings.CutPrefix(ref, "refs/heads/")
	if !ok || len(ref) > maxPathBytes {
		return fmt.Errorf("ref %q is not refs/heads/<name>", clip(ref))
	}
	return checkRefParts(ref, rest)
}

// checkRefParts checks what follows a known beginning of ref.
func checkRefParts(ref, rest string) error {
	for part := range strings.SplitSeq(rest, "/") {
		if part == "" || part[0] == '.' || part[0] == '-' || strings.HasSuffix(part, ".") ||
			strings.HasSuffix(part, ".lock") || strings.Contains(part, "..") {
			return fmt.Errorf("ref %q has the invalid part %q", clip(ref), part)
		}
		for _, c := range []byte(part) {
			if !isRefByte(c) {
				return fmt.Errorf("ref %q holds the character %q", clip(ref), c)
			}
		}
	}
	return nil
}

func isRefByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-'
}
