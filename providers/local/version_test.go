package local

import (
	"strings"
	"testing"

	"branchline.dev/branchline/schemas"
)

func TestUnsupportedVersions(t *testing.T) {
	tests := []struct {
		reason  string
		desired *schemas.InfraPack
		want    []string // in the message; none: supported
	}{
		{reason: "no kubernetes layer"},
		{reason: "same patch", desired: &schemas.InfraPack{Version: "1.35.4"}},
		{reason: "another patch", desired: &schemas.InfraPack{Version: "v1.35.0"}},
		{reason: "minor only", desired: &schemas.InfraPack{Version: "1.35"}},
		{reason: "a distribution's suffix", desired: &schemas.InfraPack{Version: "1.35.4+k3s1"}},
		{reason: "older minor", desired: &schemas.InfraPack{Version: "1.34.9"}, want: []string{`"1.34.9"`, "version 1.35.4"}},
		{reason: "same digits, other minor", desired: &schemas.InfraPack{Version: "1.3.5"}, want: []string{"version 1.35.4"}},
		{reason: "no version at all", desired: &schemas.InfraPack{Version: "latest"}, want: []string{`"latest"`, "version 1.35.4"}},
		{reason: "prefix of a longer minor", desired: &schemas.InfraPack{Version: "1.355"}, want: []string{"version 1.35.4"}},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			got := unsupported(tt.desired, "v1.35.4")
			if (got == "") != (len(tt.want) == 0) {
				t.Fatalf("got %q", got)
			}
			for _, part := range tt.want {
				if !strings.Contains(got, part) {
					t.Errorf("got %q, want it to hold %q", got, part)
				}
			}
		})
	}
}
