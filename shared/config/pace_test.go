package config_test

import (
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/config"
)

func TestPacesAreReadOrRefusedWhole(t *testing.T) {
	got, broken := config.ParsePaces([]byte(`{"douyin":{"per_day":75,"gap_min":"4m","gap_max":"10m"},"douyin/main":{"gap_min":"1h"},"youku":{"per_day":-1}}`))
	if broken != "" || got["douyin"] != (config.Pace{PerDay: 75, GapMin: 4 * time.Minute, GapMax: 10 * time.Minute}) ||
		got["douyin/main"] != (config.Pace{GapMin: time.Hour, GapMax: time.Hour}) || got["youku"].PerDay != -1 {
		t.Errorf("got %+v, %q", got, broken)
	}
	for _, bad := range []string{`[]`, `{"Douyin":{}}`, `{"douyin":{"per_day":2001}}`, `{"douyin":{"gap_min":"10m","gap_max":"4m"}}`, `{"douyin":{"gap_min":"-1s"}}`,
		`{"douyin":{"gap_min":"25h"}}`, `{"douyin":{"perday":1}}`, `{"douyin":{}} x`, `{"douyin/":{}}`, `{"douyin":{"gap_min":4}}`} {
		if got, broken := config.ParsePaces([]byte(bad)); broken == "" || got != nil {
			t.Errorf("%s was taken: %+v", bad, got)
		}
	}
}
