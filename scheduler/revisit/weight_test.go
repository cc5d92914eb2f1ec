package revisit_test

import (
	"testing"

	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

func TestWeightIsMultipliedAsFarAsWeightsGo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		w    revisit.Weight
		half int
		want revisit.Weight
	}{
		{revisit.WeightNormal, -4, revisit.WeightLow},
		{revisit.WeightNormal, 4, revisit.WeightHigh},
		{3, -4, 1},
		{254, 4, 255},
		{0, 4, 0},
	} {
		if got := c.w.Times(c.half); got != c.want {
			t.Errorf("%d times %d half octaves is %d, want %d", c.w, c.half, got, c.want)
		}
	}
}
