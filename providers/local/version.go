package local

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strings"

	"branchline.dev/branchline/schemas"
)

var versionPattern = regexp.MustCompile(`^v?([0-9]{1,4})\.([0-9]{1,4})([.+-][0-9A-Za-z.+-]*)?$`)

// minorVersion is "1.35" of "v1.35.4+k3s1", empty if it is no version.
func minorVersion(version string) string {
	match := versionPattern.FindStringSubmatch(version)
	if match == nil {
		return ""
	}
	return match[1] + "." + match[2]
}

// programVersion asks the control-plane program which Kubernetes it is.
func programVersion(ctx context.Context, program string) (string, error) {
	output, err := exec.CommandContext(ctx, program, apiServerName, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", program, err)
	}
	version := strings.TrimPrefix(strings.TrimSpace(string(output)), "Kubernetes ")
	if minorVersion(version) == "" {
		return "", fmt.Errorf("ask %s for its version: unexpected answer %q; build it with `make build`", program, version)
	}
	return version, nil
}

// unsupported says why the desired version cannot be run, empty if it can.
func unsupported(desired *schemas.InfraPack, have string) string {
	if desired == nil || minorVersion(desired.Version) == minorVersion(have) {
		return ""
	}
	return fmt.Sprintf("local clusters run Kubernetes %s, not %q; give the kubernetes layer a pack of version %s",
		minorVersion(have), desired.Version, strings.TrimPrefix(have, "v"))
}
