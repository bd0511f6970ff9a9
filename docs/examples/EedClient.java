import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Calls the API of eed_delivery. It needs Java 11 and nothing else. */
public final class EedClient {
    private final HttpClient http = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(2)).build();
    private final URI base;
    private final String token;

    /** The base is like https://mail-ops.example.com. The file has the token alone, and only its owner can read it. */
    public EedClient(URI base, Path tokenFile) throws IOException {
        this.base = base;
        this.token = Files.readString(tokenFile).strip();
    }

    /** Call it after the commit. Whatever happens, the job is sent: an error only means that it starts a little later. */
    public int nudge(long job) throws IOException, InterruptedException {
        HttpRequest.Builder request = to("/api/v1/jobs/" + job + "/nudge", 5).POST(BodyPublishers.noBody());
        return http.send(request.build(), BodyHandlers.ofString()).statusCode();
    }

    /**
     * Registers a job, and waits until its last row is in. Give the same key when you try again: the job is registered once.
     *
     * @return the job's key
     * @throws IOException if it is not registered. The message has the answer, with do: what to do about it
     */
    public String submitAndWait(String jobJson, Path recipientsCsv, UUID key, Duration most)
            throws IOException, InterruptedException {
        HttpResponse<String> answer = submit(jobJson, recipientsCsv, key);
        if (answer.statusCode() == 201) {
            return member(answer.body(), "key");
        }
        if (answer.statusCode() != 202) {
            throw new IOException("The job is not registered: " + answer.body());
        }
        // More than 10,000 rows: an operation registers them. It goes on, whatever happens here.
        String operation = answer.headers().firstValue("Location").orElseThrow();
        long end = System.nanoTime() + most.toNanos();
        while (System.nanoTime() < end) {
            HttpResponse<String> now = http.send(to(operation, 10).GET().build(), BodyHandlers.ofString());
            String state = now.statusCode() == 200 ? member(now.body(), "state") : "";
            if (state.equals("done")) {
                return member(now.body(), "job");
            }
            if (state.equals("failed") || state.equals("stopped")) {
                throw new IOException("The job is not registered: " + now.body());
            }
            Thread.sleep(2000); // also while the service does not answer
        }
        throw new IOException("The operation has not ended yet: " + operation);
    }

    /** A text of an answer whose member names occur once, as those do that are looked for here. */
    private static String member(String json, String name) throws IOException {
        Matcher found = Pattern.compile("\"" + name + "\":\\s*\"([^\"\\\\]*)\"").matcher(json);
        if (!found.find()) {
            throw new IOException("The answer has no " + name + ": " + json);
        }
        return found.group(1);
    }

    /** Registers a job. The answer is 201, or 202 with an operation in Location: see submitAndWait. */
    public HttpResponse<String> submit(String jobJson, Path recipientsCsv, UUID key)
            throws IOException, InterruptedException {
        String boundary = UUID.randomUUID().toString();
        String before = "--" + boundary + "\r\nContent-Disposition: form-data; name=\"job\"\r\n\r\n" + jobJson
            + "\r\n--" + boundary + "\r\nContent-Disposition: form-data; name=\"recipients\"; filename=\"recipients.csv\""
            + "\r\nContent-Type: text/csv\r\n\r\n";
        String after = "\r\n--" + boundary + "--\r\n";
        Path whole = Files.createTempFile("eed", ".multipart");
        try {
            try (var out = Files.newOutputStream(whole)) {
                out.write(before.getBytes(java.nio.charset.StandardCharsets.UTF_8));
                Files.copy(recipientsCsv, out);
                out.write(after.getBytes(java.nio.charset.StandardCharsets.UTF_8));
            }
            BodyPublisher body = BodyPublishers.ofFile(whole);
            HttpRequest.Builder request = to("/api/v1/jobs", 600)
                .header("Content-Type", "multipart/form-data; boundary=" + boundary)
                .header("Idempotency-Key", key.toString())
                .POST(body);
            return http.send(request.build(), BodyHandlers.ofString());
        } finally {
            Files.delete(whole);
        }
    }

    /** Stops everything. The answer says when the last email was let go. */
    public HttpResponse<String> holdEverything(String reason) throws IOException, InterruptedException {
        String quoted = reason.replace("\\", "\\\\").replace("\"", "\\\"");
        HttpRequest.Builder request = to("/api/v1/holds", 10)
            .header("Content-Type", "application/json")
            .POST(BodyPublishers.ofString("{\"scope\": \"all\", \"reason\": \"" + quoted + "\"}"));
        return http.send(request.build(), BodyHandlers.ofString());
    }

    private HttpRequest.Builder to(String path, int seconds) {
        return HttpRequest.newBuilder(base.resolve(path))
            .header("Authorization", "Bearer " + token)
            .timeout(Duration.ofSeconds(seconds));
    }
}
