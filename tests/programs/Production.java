// A program in Java that has production's URL in its source.

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;

class Production {
    public static void main(String[] arguments) throws Exception {
        URI url = URI.create("https://data.solarnetwork.net/solaruser/api/v1/sec/instr/view?id=1");
        HttpClient client = HttpClient.newHttpClient();
        System.out.println("java " + client.send(HttpRequest.newBuilder(url).build(), BodyHandlers.discarding()).statusCode());
    }
}
