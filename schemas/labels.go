package schemas

import (
	"regexp"
	"slices"
	"strings"
)

// The rules of Kubernetes for labels:
// https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
const (
	maxLabelName   = 63
	maxLabelPrefix = 253
)

var (
	labelName   = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`)
	labelPrefix = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`) // RFC 1123 subdomain
)

// checkLabels finds keys and values that no Kubernetes API would accept.
func checkLabels(doc *YAML, labels map[string]string, path ...any) Problems {
	var problems Problems
	for key, value := range labels {
		at := append(slices.Clone(path), key)
		if !isLabelKey(key) {
			problem := doc.Problem(at, "%q is not allowed as the key of a label; use at most %d letters, digits, '-', '_' and '.', "+
				"starting and ending with a letter or digit, if need be after a domain in lower case and '/'", key, maxLabelName)
			problem.Position = doc.KeyPosition(at...)
			problems = append(problems, problem)
		}
		if value != "" && !isLabelName(value) {
			problems = append(problems, doc.Problem(at, "%q is not allowed as the value of a label; use at most %d letters, digits, '-', '_' and '.', "+
				"starting and ending with a letter or digit", value, maxLabelName))
		}
	}
	return problems
}

func isLabelKey(key string) bool {
	if prefix, name, prefixed := strings.Cut(key, "/"); prefixed {
		return len(prefix) <= maxLabelPrefix && labelPrefix.MatchString(prefix) && isLabelName(name)
	}
	return isLabelName(key)
}

func isLabelName(name string) bool { return len(name) <= maxLabelName && labelName.MatchString(name) }
