/* The init of the smallest guest: says which kernel it runs on, repeats the nonce it was given, powers off. */
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

static void line_of(const char *path, const char *key, char *out, size_t size)
{
	char line[4096];
	FILE *file = fopen(path, "r");

	out[0] = '\0';
	while (file && fgets(line, sizeof(line), file)) {
		char *found = strstr(line, key);

		if (found) {
			snprintf(out, size, "%s", found + strlen(key));
			out[strcspn(out, " \n")] = '\0';
			break;
		}
	}
	if (file)
		fclose(file);
}

int main(void)
{
	char nonce[128], cpu[128];
	struct utsname uts;

	mkdir("/proc", 0555);
	mount("proc", "/proc", "proc", 0, NULL);
	line_of("/proc/cmdline", "patchlift.nonce=", nonce, sizeof(nonce));
	line_of("/proc/cpuinfo", "cpu\t\t: ", cpu, sizeof(cpu));
	uname(&uts);
	printf("\nPATCHLIFT-GUEST nonce=%s release=%s machine=%s cpu=%s\n", nonce, uts.release, uts.machine, cpu);
	fflush(stdout);
	sync();
	reboot(RB_POWER_OFF);
	return 1;
}
