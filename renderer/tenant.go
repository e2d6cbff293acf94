package renderer

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"branchline.dev/branchline/schemas"
)

// checkTenant refuses a tenant.yaml that would part the tenant from its
// clusters: their agents accept nothing from another tenant, and nothing that
// is signed by a key that they do not trust.
func checkTenant(repo *schemas.Repository, in Input) schemas.Problems {
	if repo.Tenant == nil {
		return nil
	}
	return append(checkTenantName(repo.Tenant, in), checkKeys(repo.Tenant, in.OwnKey)...)
}

func checkTenantName(tenant *schemas.Document[schemas.Tenant], in Input) schemas.Problems {
	name, at := tenant.Object.Metadata.Name, []any{"metadata", "name"}
	if in.Tenant != "" && name != in.Tenant {
		return schemas.Problems{tenant.YAML.Problem(at, "this repository belongs to the tenant %q; write that name instead of %q", in.Tenant, name)}
	}
	for _, cluster := range slices.Sorted(maps.Keys(in.Previous)) {
		if was := in.Previous[cluster].Spec.Tenant; was != name && in.Previous[cluster].Spec.Tombstone == nil {
			return schemas.Problems{tenant.YAML.Problem(at,
				"the tenant is named %q, but the cluster %s belongs to %q; a tenant that has clusters keeps its name", name, cluster, was)}
		}
	}
	return nil
}

// checkKeys checks the keys that tenant.yaml lists, and that the one which signs
// is among them.
func checkKeys(tenant *schemas.Document[schemas.Tenant], ownKey string) schemas.Problems {
	keys := tenant.Object.Spec.TrustedKeys
	own, _ := parseKey(ownKey) // nil equals none
	var problems schemas.Problems
	listed := false
	for i, line := range keys {
		key, err := parseKey(line)
		if err != nil {
			problems = append(problems, tenant.YAML.Problem([]any{"spec", "trustedKeys", i}, "%v", err))
			continue
		}
		listed = listed || own != nil && bytes.Equal(key.Marshal(), own.Marshal())
	}
	if ownKey != "" && len(keys) > 0 && !listed {
		problems = append(problems, tenant.YAML.Problem([]any{"spec", "trustedKeys"},
			"the key that signs what is rendered here is not in the list, so the clusters would accept nothing any more; add %q, or remove the list", strings.TrimSpace(ownKey)))
	}
	return problems
}

// parseKey reads one public key in the format of a line of an authorized_keys
// file (sshd(8)), without options. Only ed25519 keys are accepted: their
// signatures are the same each time, as those of commits have to be.
func parseKey(line string) (ssh.PublicKey, error) {
	line = strings.TrimSpace(line)
	if strings.ContainsAny(line, "\r\n") {
		return nil, errors.New("holds several lines; write one key an entry")
	}
	key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(line))
	switch {
	case err != nil:
		return nil, errors.New(`is not a public key; write "ssh-ed25519 AAAA…" as it stands in the .pub file that ssh-keygen -t ed25519 writes`)
	case key.Type() != ssh.KeyAlgoED25519:
		return nil, fmt.Errorf("is a key of type %s; only %s is accepted, which ssh-keygen -t ed25519 makes", key.Type(), ssh.KeyAlgoED25519)
	case len(options) > 0:
		return nil, fmt.Errorf("has options before the key (%s), which would have no effect; remove them", brief(strings.Join(options, ","), 80))
	}
	return key, nil
}

// trustedKeys are the keys whose commits the clusters accept.
func trustedKeys(tenant *schemas.Tenant, in Input) []string {
	keys := tenant.Spec.TrustedKeys
	if len(keys) == 0 {
		keys = in.TrustedKeys
	}
	return append([]string{}, keys...)
}
